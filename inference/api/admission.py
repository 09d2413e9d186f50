"""From an HTTP request to a job, the same for every dialect; and what waits for that job."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.utils.timezone import now
from rest_framework.request import Request
from rest_framework.response import Response

from governance.api.authentication import actor_of
from governance.kernel.errors import InvalidRequest
from governance.operations.api_keys import Caller
from inference.operations.admissions import Submitter
from inference.operations.idempotency import Repetition
from inference.operations.planning import GenerationRequest
from inference.operations.submission import Submission, submit_generation
from inference.queries.generations import GenerationDetail
from inference.tasks import enqueue

# The longest a request is kept open, s; every SDK's own default is longer.
LONGEST_WAIT_S = 300.0
LONGEST_ADDRESS = 500
Reply = Callable[[HttpRequest, GenerationDetail], HttpResponseBase]


@dataclass(frozen=True)
class Pending:
    """A job that a request waits for: how long, and how its dialect replies, finished or not."""

    organization_id: UUID
    generation_id: UUID
    reply: Reply
    wait_s: float = LONGEST_WAIT_S
    # Instead of waiting: events as the job goes on, for a dialect that streams.
    stream: Callable[["Pending"], AsyncIterator[str]] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    # The header of a stream that says which job it is about.
    named_by: str = "x-generation-id"


def caller_of(request: Request) -> Caller:
    """The authenticated key."""
    caller: Caller = request.user  # type: ignore[assignment]
    return caller


def submitter_of(request: Request) -> Submitter:
    """The key's owner pays, the key acts."""
    caller = caller_of(request)
    return Submitter(
        organization_id=caller.organization_id,
        project_id=caller.project_id,
        api_key_id=caller.key_id,
        actor=actor_of(request),
        test_mode=caller.mode == "test",
    )


def admit(request: Request, asked: GenerationRequest) -> Submission:
    """Queue the job that ``asked`` describes, or join the one that an equal request made."""
    webhook_url = webhook_url_of(request) or asked.webhook_url
    return submit_generation(
        request=replace(asked, webhook_url=webhook_url),
        submitter=submitter_of(request),
        repetition=repetition_of(request),
        at=now(),
        enqueue=enqueue,
    )


def pending_response(pending: Pending) -> Response:
    """A reply that ``waiting`` finishes."""
    response = Response(status=202)
    response.pending = pending  # type: ignore[attr-defined]
    return response


def repetition_of(request: Request) -> Repetition:
    """Idempotency-Key, and the count that the openai SDKs send with every attempt."""
    counted = request.headers.get("x-stainless-retry-count", "")
    return Repetition(
        key=request.headers.get("Idempotency-Key"),
        retry_count=min(int(counted[:9]), 100) if counted.isdecimal() else None,
    )


def webhook_url_of(request: Request) -> str:
    """X-Webhook-URL: where the end of this one job is told. Raises InvalidRequest."""
    return checked_address(request.headers.get("X-Webhook-URL", ""), "X-Webhook-URL")


def checked_address(address: str, name: str) -> str:
    """A webhook's address, by its shape; whether it may be reached is asked when it is called."""
    if address and (
        not address.startswith(("https://", "http://")) or len(address) > LONGEST_ADDRESS
    ):
        raise InvalidRequest(
            f"{name} must be an http(s) address of at most {LONGEST_ADDRESS} characters.",
            param=name,
        )
    return address


def preferred_wait(request: Request, *, default: float = 0.0, bare: float = 60.0) -> float:
    """Seconds to wait, by ``Prefer: wait=N`` (RFC 7240), at most LONGEST_WAIT_S.

    ``default`` without the header, ``bare`` for a ``wait`` without a number. What cannot be read is
    no preference.
    """
    for part in request.headers.get("Prefer", "").split(","):
        name, _, value = part.strip().partition("=")
        if name.strip().lower() == "respond-async":
            return 0.0
        if name.strip().lower() == "wait":
            value = value.strip().strip('"')
            return min(float(value), LONGEST_WAIT_S) if value.isdecimal() else bare
    return default


def kept(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Those of ``names`` that the client set: what it asked for and will not get."""
    return {name: body[name] for name in names if body.get(name) is not None}
