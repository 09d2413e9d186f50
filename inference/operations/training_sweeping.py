"""Certainty behind the doorbells of trainings: what a dead process left behind is found by its state."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from governance.kernel.actors import SYSTEM
from governance.models import ReleaseStatus
from governance.operations.authorization import stopping_reason
from inference.models import OPEN_TRAINING_STATES, TrainingJob, TrainingState
from inference.operations.revoking import TERMINATED
from inference.operations.training_finishing import close_unpaid, put_back

BATCH = 100


def sweep_trainings(*, at: datetime) -> None:
    """Dead leases, trainings past their deadline, and those that may not start any more."""
    requeue_dead_trainings(at=at)
    end_late_trainings(at=at)
    void_unstartable_trainings(at=at)
    void_stopped_trainings(at=at)


@transaction.atomic
def requeue_dead_trainings(*, at: datetime) -> int:
    """Put back running trainings whose lease has run out; returns how many. Safe to repeat."""
    dead = list(
        TrainingJob.objects.select_for_update(skip_locked=True)
        .filter(state=TrainingState.RUNNING, lease_until__lt=at)
        .order_by("lease_until")[:BATCH]
    )
    for job in dead:
        put_back(job, "the worker's lease ran out", SYSTEM, at)
    return len(dead)


@transaction.atomic
def end_late_trainings(*, at: datetime) -> int:
    """End queued trainings whose deadline has passed, free of charge; returns how many."""
    late = TrainingJob.objects.select_for_update(skip_locked=True).filter(
        state=TrainingState.QUEUED, deadline_at__lt=at
    )
    return close_all(
        list(late.order_by("id")[:BATCH]),
        "deadline_exceeded",
        "The deadline passed while it waited. Nothing was charged.",
        at,
    )


@transaction.atomic
def void_unstartable_trainings(*, at: datetime) -> int:
    """Void queued trainings on releases that are no longer active; returns how many."""
    queued = (
        TrainingJob.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(state=TrainingState.QUEUED)
        .exclude(release__status=ReleaseStatus.ACTIVE)
    )
    return close_all(list(queued.order_by("id")[:BATCH]), *REVOKED, at)


REVOKED = (
    "model_revoked",
    "The model was withdrawn before this training started. Nothing was charged.",
)


@transaction.atomic
def void_trainings_of_release(release_id: UUID, at: datetime) -> int:
    """A release was revoked: void its queued trainings, stop its running ones within a step.

    Called in the revocation's transaction. Returns the trainings voided.
    """
    own = TrainingJob.objects.filter(release_id=release_id)
    stop_running(own.filter(state=TrainingState.RUNNING), at)
    queued = own.filter(state=TrainingState.QUEUED).select_for_update()
    return close_all(list(queued.order_by("id")), *REVOKED, at)


def void_stopped_trainings(*, at: datetime) -> int:
    """Void queued trainings of organizations that the licence stopped since; returns how many.

    Where the licence itself has ended (9.1, 9.2) running ones are stopped as well. Safe to repeat.
    """
    unfinished = TrainingJob.objects.filter(state__in=OPEN_TRAINING_STATES)
    voided = 0
    for organization_id in unfinished.values_list("organization_id", flat=True).distinct():
        reason = stopping_reason(organization_id=organization_id, at=at)
        if reason is not None:
            ended = reason["status"] == TERMINATED
            voided += void_of_organization(organization_id, reason["fact"], at, licence_ended=ended)
    return voided


@transaction.atomic
def void_of_organization(
    organization_id: UUID, fact: str, at: datetime, *, licence_ended: bool
) -> int:
    """Void one organization's queued trainings."""
    own = TrainingJob.objects.filter(organization_id=organization_id)
    if licence_ended:
        stop_running(own.filter(state=TrainingState.RUNNING), at)
    queued = own.filter(state=TrainingState.QUEUED).select_for_update(skip_locked=True)
    detail = f"{fact[:1].upper()}{fact[1:]}. Nothing was charged."
    return close_all(list(queued.order_by("id")), "licence_refused", detail, at)


def stop_running(running: QuerySet[TrainingJob], at: datetime) -> None:
    """Ask their trainers to stop; they do within a step."""
    running.filter(cancel_requested_at__isnull=True).update(cancel_requested_at=at)


def close_all(jobs: list[TrainingJob], code: str, detail: str, at: datetime) -> int:
    """End locked, queued ``jobs`` with nothing charged."""
    for job in jobs:
        close_unpaid(
            job,
            TrainingState.FAILED,
            code=code,
            detail=detail,
            facts={},
            actor=SYSTEM,
            at=at,
        )
    return len(jobs)
