"""What is taken back: queued work on releases that may not start."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from governance.models import ReleaseStatus
from governance.operations.authorization import stopping_reason
from inference.models import Artifact, Generation, State
from inference.operations.finishing import close_unpaid
from inference.operations.storage import read_image

BATCH = 200
TERMINATED = "terminated"


@dataclass(frozen=True)
class Refusal:
    """What a job that never started says about why."""

    code: str
    detail: str
    facts: dict[str, Any] = field(default_factory=dict)


REVOKED = Refusal(
    "model_revoked",
    "The model was withdrawn before this generation started. Nothing was charged.",
)


@transaction.atomic
def void_release(release_id: UUID, at: datetime) -> int:
    """A release was revoked: void its queued jobs, stop its running ones within a step.

    Called in the revocation's transaction, which has the release's lock alone: whoever queues or
    claims a job shares that lock first, so the two cannot wait for each other. Returns the jobs
    voided.
    """
    Generation.objects.filter(
        release_id=release_id, state=State.RUNNING, cancel_requested_at__isnull=True
    ).update(cancel_requested_at=at)
    queued = Generation.objects.select_for_update().filter(
        release_id=release_id, state=State.QUEUED
    )
    return close_all(list(queued.order_by("id")), at)


def void_unstartable(*, at: datetime) -> int:
    """Void queued jobs whose release is no longer active; returns how many. Safe to repeat.

    Catches what no hook was called for: a release that was superseded by other weights.
    """
    voided = 0
    while True:
        with transaction.atomic():
            jobs = list(
                Generation.objects.select_for_update(skip_locked=True, of=("self",))
                .filter(state=State.QUEUED)
                .exclude(release__status=ReleaseStatus.ACTIVE)
                .order_by("id")[:BATCH]
            )
            voided += close_all(jobs, at)
        if len(jobs) < BATCH:
            return voided


def void_stopped(*, at: datetime) -> int:
    """Void queued jobs of organizations that the licence stopped since they asked; returns how many.

    Safe to repeat. Where the licence itself has ended (9.1, 9.2) running jobs are stopped as well,
    within a step. The kill switch voids nothing: it holds work back.
    """
    unfinished = Generation.objects.filter(state__in=(State.QUEUED, State.RUNNING))
    voided = 0
    for organization_id in unfinished.values_list("organization_id", flat=True).distinct():
        reason = stopping_reason(organization_id=organization_id, at=at)
        if reason is not None:
            voided += _void_of_organization(organization_id, reason, at)
    return voided


@transaction.atomic
def _void_of_organization(organization_id: UUID, reason: dict[str, Any], at: datetime) -> int:
    own = Generation.objects.filter(organization_id=organization_id)
    if reason["status"] == TERMINATED:
        running = own.filter(state=State.RUNNING, cancel_requested_at__isnull=True)
        running.update(cancel_requested_at=at)
    waiting = own.filter(state=State.QUEUED).select_for_update(skip_locked=True, of=("self",))
    refusal = Refusal(
        "licence_refused",
        f"{reason['fact'][:1].upper()}{reason['fact'][1:]}. {reason['next_step']} "
        "Nothing was charged.",
        {name: reason[name] for name in ("rule", "terms_version", "fact", "next_step")},
    )
    return close_all(list(waiting.order_by("id")), at, refusal)


def close_all(jobs: list[Generation], at: datetime, refusal: Refusal = REVOKED) -> int:
    """End locked, queued ``jobs`` with nothing charged."""
    for job in jobs:
        close_unpaid(
            job,
            State.FAILED,
            code=refusal.code,
            detail=refusal.detail,
            facts=refusal.facts,
            actor=SYSTEM,
            at=at,
        )
    return len(jobs)


def image_bytes(job_id: UUID, index: int) -> bytes | None:
    """The file of a delivered image that is still there, else None."""
    image = Artifact.objects.filter(
        generation_id=job_id, index=index, deleted_at__isnull=True
    ).first()
    try:
        return None if image is None else read_image(image)
    except DomainError:
        return None
