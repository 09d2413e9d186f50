"""/v1/training/jobs/ID/events: a training as it goes on, as server-sent events."""

from collections.abc import AsyncIterator
from typing import Any, ClassVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inference.api.admission import Pending, caller_of, pending_response
from inference.api.streaming import KEEPALIVE, KEEPALIVE_S, sse
from inference.api.training_jobs import detail_body
from inference.api.waiting import events_until_final
from inference.models import TrainingJob, TrainingState
from inference.operations.announcing import TRAINING_EVENTS
from inference.queries.training import job_of

# A training takes hours and a connection should not: after this the client asks again and loses nothing.
LONGEST_STREAM_S = 3600.0


class TrainingEvents(APIView):
    """What happens to one training."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="stream_training",
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
        summary="Follow a training: steps with their loss, samples, the end",
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """`training.state` at once, `training.step` and `training.sample` as they come, and last
        `training.completed`, `training.failed` or `training.cancelled`. The stream ends after an hour at
        the latest; ask again then."""
        organization_id = caller_of(request).organization_id
        job_of(organization_id, job_id)
        return pending_response(
            Pending(
                organization_id=organization_id,
                generation_id=job_id,
                reply=no_reply,
                wait_s=LONGEST_STREAM_S,
                stream=training_events,
                named_by="x-training-id",
            )
        )


def no_reply(_request: HttpRequest, _detail: Any) -> HttpResponse:
    """A stream has no other reply."""
    raise AssertionError("a training is streamed")


async def training_events(pending: Pending) -> AsyncIterator[str]:
    """Events of one training until it has ended or the time is over.

    Who goes away ends this and nothing else. A message that Redis loses is in the state that a new
    request begins with.
    """
    name = str(pending.generation_id)
    state, job = await look_at(pending)
    yield state
    if job.is_final:
        return
    async for event in events_until_final(
        pending.generation_id, timeout_s=pending.wait_s, silence_s=KEEPALIVE_S
    ):
        if event["event"] == "step":
            shown = {"id": name, "step": event["step"], "loss": event["loss"]}
            yield sse("training.step", shown)
        elif event["event"] == "sample":
            address = f"/v1/training/jobs/{name}/samples/{event['step']}"
            yield sse("training.sample", {"id": name, "step": event["step"], "url": address})
        elif event["event"] == "silence":
            yield KEEPALIVE
    state, job = await look_at(pending)
    if job.is_final:
        yield state


async def look_at(pending: Pending) -> tuple[str, TrainingJob]:
    """The training as it is now, as an event and as a row."""
    return await sync_to_async(state_event, thread_sensitive=False)(pending)


def state_event(pending: Pending) -> tuple[str, TrainingJob]:
    """The event of a training's state with what GET shows of it, and the row."""
    try:
        job = job_of(pending.organization_id, pending.generation_id)
        kind = TRAINING_EVENTS.get(TrainingState(job.state), "training.state")
        return sse(kind, detail_json(job)), job
    finally:
        connections.close_all()


def detail_json(job: TrainingJob) -> dict[str, Any]:
    """The body of GET with its times as JSON has them."""
    body = detail_body(job)
    times = ("created_at", "started_at", "finished_at")
    return body | {name: body[name].isoformat() if body[name] else None for name in times}
