"""Equal requests become one job: by the client's key for 24 hours, or by the SDK's mark on a retry."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from billing.operations.holds import IdempotencyKeyReused
from governance.kernel.errors import InvalidRequest
from governance.kernel.locks import Lockable, lock_alone
from inference.models import Generation, IdempotencyKey, State

KEPT = timedelta(hours=24)
RETRY_WINDOW = timedelta(minutes=15)
LONGEST_KEY = 255
# A failed job is not joined: its retry wants another attempt. A refused one is: it stays refused.
JOINABLE = (State.QUEUED, State.RUNNING, State.SUCCEEDED, State.BLOCKED)

CLAIM = """
INSERT INTO inference_idempotency_key AS k
    (organization_id, key, request_sha256, generation_id, created_at)
VALUES (%(organization)s, %(key)s, %(sha)s, %(job)s, %(at)s)
ON CONFLICT (organization_id, key) DO UPDATE
SET request_sha256 = excluded.request_sha256, generation_id = excluded.generation_id,
    created_at = excluded.created_at
WHERE k.created_at <= %(expired)s
RETURNING id
"""


@dataclass(frozen=True)
class Repetition:
    """How a request says that it may be a repetition of an earlier one.

    ``key`` is the Idempotency-Key. ``retry_count`` is what an SDK counts (0: the first attempt), None
    for a client that does not count.
    """

    key: str | None = None
    retry_count: int | None = None


def job_to_join(
    *,
    repetition: Repetition,
    organization_id: UUID,
    api_key_id: UUID | None,
    request_sha256: str,
    at: datetime,
) -> UUID | None:
    """The job that already answers this request, if there is one.

    Raises IdempotencyKeyReused when the key came with another request, InvalidRequest when it is no
    key. A marked retry of a client without a key finds the job of an equal request of this API key in
    the last 15 minutes.
    """
    if repetition.key is not None:
        check_key(repetition.key)
        return job_of_key(repetition.key, organization_id, request_sha256, at)
    if repetition.retry_count:
        return job_of_request(api_key_id, request_sha256, at)
    return None


def claim_request(
    *,
    repetition: Repetition,
    organization_id: UUID,
    api_key_id: UUID | None,
    request_sha256: str,
    generation_id: UUID,
    at: datetime,
) -> UUID | None:
    """Inside the transaction that writes the job: None when this request may write it, else the job
    that an equal request wrote meanwhile. Waits for an equal request that is being written.

    Raises IdempotencyKeyReused.
    """
    if repetition.key is not None:
        return claim_key(repetition.key, organization_id, request_sha256, generation_id, at)
    if repetition.retry_count is None:
        return None
    lock_alone(Lockable.REQUEST, f"{api_key_id}:{request_sha256}")
    if repetition.retry_count:
        return job_of_request(api_key_id, request_sha256, at)
    # The reply to this first attempt may be lost already, and its retry may have been the faster one.
    return job_of_request(api_key_id, request_sha256, at, retries_since=at)


def claim_key(
    key: str, organization_id: UUID, request_sha256: str, generation_id: UUID, at: datetime
) -> UUID | None:
    """Take a key for a job, or the job that has it. Raises IdempotencyKeyReused."""
    values: dict[str, Any] = {
        "organization": organization_id,
        "key": key,
        "sha": request_sha256,
        "job": generation_id,
        "at": at,
        "expired": at - KEPT,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, values)
        if cursor.fetchone() is not None:
            return None
    return job_of_key(key, organization_id, request_sha256, at)


def job_of_key(key: str, organization_id: UUID, request_sha256: str, at: datetime) -> UUID | None:
    """The job that answered this key in the last 24 hours. Raises IdempotencyKeyReused."""
    found = IdempotencyKey.objects.filter(
        organization_id=organization_id, key=key, created_at__gt=at - KEPT
    ).first()
    if found is None:
        return None
    if found.request_sha256 != request_sha256:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used with another request. Send a new key for a new request.",
            generation_id=str(found.generation_id),
        )
    return found.generation_id


def job_of_request(
    api_key_id: UUID | None,
    request_sha256: str,
    at: datetime,
    *,
    retries_since: datetime | None = None,
) -> UUID | None:
    """The latest job of an equal request of this API key within the window, if it may be joined."""
    jobs = Generation.objects.filter(
        api_key_id=api_key_id,
        request_sha256=request_sha256,
        created_at__gte=at - RETRY_WINDOW,
        state__in=JOINABLE,
    )
    if retries_since is not None:
        jobs = jobs.filter(retry_count__gt=0, created_at__gte=retries_since)
    return jobs.order_by("-id").values_list("id", flat=True).first()


def check_key(key: str) -> None:
    """Raises InvalidRequest for a key that cannot be kept."""
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise InvalidRequest(
            f"Idempotency-Key must have 1 to {LONGEST_KEY} printable characters.",
            param="Idempotency-Key",
        )


def forget_old_keys(*, at: datetime) -> int:
    """Delete keys that are past their 24 hours; returns how many. Safe to repeat."""
    deleted, _ = IdempotencyKey.objects.filter(created_at__lte=at - KEPT).delete()
    return deleted
