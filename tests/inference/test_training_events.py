"""What a training tells while it runs and when it ends: server-sent events and webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils.timezone import now

from governance.models import ModelRelease, WebhookEndpoint, WebhookEvent
from governance.operations.api_keys import CreatedKey
from inference.api import training_events as streaming
from inference.api.admission import Pending
from inference.engine.training_protocol import TrainingRefused
from inference.models import TrainingJob
from inference.operations.training_finishing import cancel_training
from inference.operations.training_leases import claim_training
from inference.operations.training_progress import TrainingProgress
from inference.operations.training_running import run_training
from inference.queries.training import final_trainings_among
from tests.factories import SYSTEM
from tests.inference.training_fixtures import TRAINER, SketchTrainer

pytestmark = pytest.mark.django_db
Order = Callable[..., TrainingJob]


@pytest.fixture
def listener(order: Order) -> TrainingJob:
    """An ordered training whose organization has an endpoint for every event."""
    job = order()
    WebhookEndpoint.objects.create(
        organization_id=job.organization_id, url="https://hooks.example.com/", created_at=now()
    )
    return job


def run(raw_release: ModelRelease, **trainer: Any) -> None:
    lease = claim_training(worker=TRAINER, release_ids=[raw_release.id], at=now())
    assert lease is not None
    run_training(lease=lease, trainer=SketchTrainer(**trainer), actor=TRAINER)


def told() -> dict[str, Any]:
    """The only event in the outbox, its type and data."""
    event = WebhookEvent.objects.get()
    assert "zorp" not in event.body
    assert "Blue ramps" not in event.body
    return {"type": event.type, **json.loads(event.body)["data"]}


class TestWebhooks:
    def test_tell_a_completed_training_with_adapter_and_cost(
        self, listener: TrainingJob, raw_release: ModelRelease
    ) -> None:
        run(raw_release)

        listener.refresh_from_db()
        event = told()
        assert (event["type"], event["id"]) == ("training.completed", str(listener.id))
        assert event["adapter"] == str(listener.adapter_id)
        assert event["charged_microusd"] == listener.charged_microusd > 0

    def test_tell_a_failed_training_with_its_reason(
        self, listener: TrainingJob, raw_release: ModelRelease
    ) -> None:
        run(raw_release, refused=TrainingRefused("training_diverged", "It diverged.", {}))

        event = told()
        assert (event["type"], event["error"]) == ("training.failed", {"code": "training_diverged"})
        assert event["charged_microusd"] == 0

    def test_tell_a_cancelled_training(self, listener: TrainingJob) -> None:
        cancel_training(
            organization_id=listener.organization_id, job_id=listener.id, actor=SYSTEM, at=now()
        )

        assert told()["type"] == "training.cancelled"


def test_a_running_training_rings_each_step_with_its_loss(
    order: Order, raw_release: ModelRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, rung = order(), []
    monkeypatch.setattr(
        "inference.operations.training_progress.ring",
        lambda job_id, event, **facts: rung.append((job_id, event, facts)),
    )
    lease = claim_training(worker=TRAINER, release_ids=[raw_release.id], at=now())
    assert lease is not None

    TrainingProgress(lease, TRAINER, job.deadline_at).on_step(3, 0.25)

    assert rung == [(job.id, "step", {"step": 3, "loss": 0.25})]


def test_waiters_learn_from_the_database_too_that_a_training_has_ended(
    order: Order, raw_release: ModelRelease
) -> None:
    job = order()
    before = final_trainings_among([job.id])

    run(raw_release)

    assert (before, final_trainings_among([job.id])) == (set(), {job.id})


def events_of(lines: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of each event."""
    parts = [line.strip().split("\n") for line in lines if line.startswith("event: ")]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in parts
    ]


def test_a_stream_begins_with_the_state_and_ends_with_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Row:
        is_final = False

    queued = Row()

    async def look_at(_pending: Pending) -> tuple[str, Row]:
        name = "training.completed" if queued.is_final else "training.state"
        return streaming.sse(name, {"id": "1"}), queued

    async def happenings(_job: UUID, **_: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"event": "step", "step": 1, "loss": 0.5}
        yield {"event": "silence"}
        yield {"event": "sample", "step": 2}
        queued.is_final = True
        yield {"event": "final"}

    monkeypatch.setattr(streaming, "look_at", look_at)
    monkeypatch.setattr(streaming, "events_until_final", happenings)
    pending = Pending(
        organization_id=UUID(int=1), generation_id=UUID(int=2), reply=streaming.no_reply
    )

    async def collect() -> list[str]:
        return [line async for line in streaming.training_events(pending)]

    lines = asyncio.run(collect())

    events = events_of(lines)
    assert streaming.KEEPALIVE in lines
    assert [name for name, _ in events] == [
        "training.state", "training.step", "training.sample", "training.completed",
    ]  # fmt: skip
    assert (events[1][1]["step"], events[1][1]["loss"]) == (1, 0.5)
    assert events[2][1]["url"].endswith("/samples/2")


def test_the_state_is_what_a_look_at_the_training_shows(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.api.training_events.connections.close_all", lambda: None)
    job = order()
    pending = Pending(
        organization_id=job.organization_id, generation_id=job.id, reply=streaming.no_reply
    )

    line, row = streaming.state_event(pending)

    [(name, data)] = events_of([line])
    assert (name, data["status"], data["steps"], row.id) == ("training.state", "queued", 8, job.id)


@pytest.mark.django_db(transaction=True)
def test_anothers_training_is_not_found(api_key: CreatedKey) -> None:
    client = Client(headers={"Authorization": f"Bearer {api_key.secret}"})

    assert client.get(f"/v1/training/jobs/{UUID(int=7)}/events").status_code == 404
