"""A job's log events carry the id of the request that asked for it, as far as the engine."""

import logging

import pytest
from django.utils.timezone import now

from governance.kernel import log_context
from inference.engine.attempts import EngineLost
from inference.engine.protocol import GenerateCommand
from inference.models import Generation
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from tests.inference.conftest import WORKER
from tests.observability.test_log_events import PROMPT


class DyingEngine:
    """Keeps the order that it got and ends."""

    order: GenerateCommand

    def generate(self, order, **_):
        self.order = order
        raise EngineLost(f"it choked on {order.prompt}")


@pytest.mark.django_db
def test_an_attempt_logs_under_the_requests_id_and_hands_it_to_the_engine(
    submit, releases, json_lines
):
    job = submit(prompt=PROMPT)
    Generation.objects.filter(id=job.id).update(request_id="req_12345678")
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
    engine = DyingEngine()

    run_attempt(lease=lease, engine=engine, actor=WORKER)

    warning = next(each for each in json_lines.events if each["level"] == "WARNING")
    assert warning["request_id"] == engine.order.request_id == "req_12345678"
    assert warning["generation"] == str(job.id)
    assert warning["organization"] == engine.order.organization_id
    assert "violet" not in json_lines.text


@pytest.mark.django_db
def test_what_is_logged_of_a_request_that_joined_another_names_that_ones_job(submit):
    first = submit(idempotency_key="k-1")

    submit(idempotency_key="k-1")

    assert log_context.fields()["generation"] == str(first.id)


@pytest.mark.django_db
def test_from_its_admission_on_no_event_of_a_request_shows_its_prompt(submit, json_lines):
    submit(prompt=PROMPT)

    logging.getLogger("tests").warning("the database said: %s", PROMPT.upper() + PROMPT[3:])

    assert PROMPT[3:] not in json_lines.text
