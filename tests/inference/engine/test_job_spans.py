"""One trace from the request to the capture, with the shipped tiny model and the real gate."""

import json
import threading
from dataclasses import asdict
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils.timezone import now

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")

from governance.kernel import tracing  # noqa: E402
from inference.engine.attempts import Attempt, Outcome  # noqa: E402
from inference.engine.loading import load_model  # noqa: E402
from inference.engine.protocol import GenerateCommand  # noqa: E402
from inference.engine.studio import Studio  # noqa: E402
from inference.models import Generation  # noqa: E402
from inference.operations.leases import claim_next  # noqa: E402
from inference.operations.running import run_attempt  # noqa: E402
from tests.inference.conftest import WORKER  # noqa: E402

pytestmark = [pytest.mark.engine, pytest.mark.django_db]
TURBO = settings.BASE_DIR / "inference" / "weights" / "krea-2-tiny-turbo"
PROMPT = "a large violet circle on a blue background"
STEPS = 3


class NearEngine:
    """A studio in this process, behind the same frames as the engine's process."""

    def __init__(self) -> None:
        self.model = load_model(str(TURBO), threads=1, report=lambda _line: None)

    def generate(self, command: GenerateCommand, *, on_step: Any, **_: Any) -> Outcome:
        attempt = Attempt(command.ticket, lambda _step, _steps: None, lambda _preview: None)
        lock = threading.Lock()

        def say(kind: str, header: dict[str, Any], payload: bytes = b"") -> None:
            with lock:
                attempt.take(kind, {k: v for k, v in header.items() if k != "ticket"}, payload)

        studio = Studio(self.model, release_slug="tiny", send=say, batch_tokens=8192)
        studio.accept(GenerateCommand.from_frame(json.loads(json.dumps(asdict(command)))))
        studio.close()
        studio.run()
        return attempt.outcome


@pytest.fixture
def job(spans, submit, releases) -> Generation:
    """Asked for, drawn, screened, stored and paid for, all of it watched."""
    with tracing.span("request"):
        made = submit(PROMPT, width=64, height=64, steps=STEPS, images=2, seed=7)
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
    assert lease is not None
    assert run_attempt(lease=lease, engine=NearEngine(), actor=WORKER) == "succeeded"
    made.refresh_from_db()
    return made


def parents(spans) -> dict[str, set[str]]:
    """The names of spans, each with the names of those that it hangs below."""
    names = {span.context.span_id: span.name for span in spans.all}
    found: dict[str, set[str]] = {}
    for span in spans.all:
        above = names[span.parent.span_id] if span.parent else ""
        found.setdefault(span.name, set()).add(above)
    return found


def test_one_trace_leads_from_the_request_to_the_capture(spans, job):
    assert parents(spans) == {
        "request": {""},
        "admission": {"request"},
        "admission.authorize": {"admission"},
        "admission.screen": {"admission"},
        "admission.hold": {"admission"},
        "queue.wait": {"admission"},
        "attempt": {"admission"},
        "engine.text_encode": {"attempt"},
        "engine.draw": {"attempt"},
        "engine.vae": {"attempt"},
        "engine.screen": {"attempt"},
        "store": {"attempt"},
        "capture": {"attempt"},
    }
    assert len({span.context.trace_id for span in spans.all}) == 1
    assert job.traceparent.split("-")[1] == format(spans["request"].context.trace_id, "032x")


def test_every_step_of_the_model_is_an_event_of_its_drawing(spans, job):
    drawn = spans["engine.draw"]

    assert [event.attributes["licet.step"] for event in drawn.events] == [1, 2, 3]
    assert drawn.attributes["licet.images"] == 2
    assert (drawn.attributes["licet.width_px"], drawn.attributes["licet.steps"]) == (64, STEPS)


def test_each_image_has_its_verdict_and_the_attempt_its_end(spans, job):
    verdicts = [span.attributes for span in spans.all if span.name == "engine.screen"]

    assert {each["licet.index"]: each["licet.outcome"] for each in verdicts} == {
        0: "released",
        1: "released",
    }
    assert spans["attempt"].attributes["licet.outcome"] == "succeeded"


def test_no_word_of_the_prompt_and_nobodys_key_is_in_any_span(spans, job, api_key):
    told = " ".join(span.to_json() for span in spans.all)

    assert str(job.id) in told
    for hidden in ("violet", PROMPT, api_key.secret, api_key.key.name):
        assert hidden not in told


def test_a_request_is_a_span_with_its_route_and_not_its_address(spans, client: Client):
    client.get("/v1/images/content/secret-token", headers={"traceparent": "nonsense"})

    told = dict(spans["request"].attributes)
    assert told["http.route"] == "/v1/images/content/<str:token>"
    assert "secret-token" not in spans["request"].to_json()


def test_finding_out_who_calls_is_a_span_of_the_request(spans, client: Client, api_key):
    client.get("/v1/models", headers={"Authorization": f"Bearer {api_key.secret}"})

    assert parents(spans)["admission.authenticate"] == {"request"}
