"""Certainty behind the doorbells: what a dead process left behind is found by its state."""

from datetime import datetime

from django.db import transaction

from governance.kernel.actors import SYSTEM
from inference.models import Generation, State
from inference.operations.finishing import close_unpaid, put_back
from inference.operations.revoking import void_unstartable

BATCH = 100


def sweep(*, at: datetime) -> None:
    """Everything that is found by state: dead leases, and jobs that may not start any more."""
    requeue_dead_leases(at=at)
    end_late(at=at)
    void_unstartable(at=at)


def requeue_dead_leases(*, at: datetime) -> int:
    """Put back every running job whose lease has run out; returns how many.

    A zombie worker that wakes later is fenced off by the epoch.
    """
    requeued = 0
    while True:
        with transaction.atomic():
            dead = list(
                Generation.objects.select_for_update(skip_locked=True)
                .filter(state=State.RUNNING, lease_until__lt=at)
                .order_by("lease_until")[:BATCH]
            )
            for generation in dead:
                put_back(generation, "the worker's lease ran out", SYSTEM, at)
        requeued += len(dead)
        if len(dead) < BATCH:
            return requeued


def end_late(*, at: datetime) -> int:
    """End queued jobs whose deadline has passed, free of charge; returns how many."""
    with transaction.atomic():
        late = list(
            Generation.objects.select_for_update(skip_locked=True)
            .filter(state=State.QUEUED, deadline_at__lt=at)
            .order_by("deadline_at")[:BATCH]
        )
        for generation in late:
            close_unpaid(
                generation,
                State.FAILED,
                code="deadline_exceeded",
                detail="The deadline passed while the job waited. Nothing was charged.",
                facts={},
                actor=SYSTEM,
                at=at,
            )
    return len(late)
