"""Claiming trainings: the tenant that was served longest ago first, one worker at a time, fenced."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from billing.operations.holds import fence_hold
from governance.kernel.actors import Actor
from governance.operations.authorization import require_startable, stopping_reason
from inference.models import TrainingJob, TrainingLoss, TrainingState
from inference.operations.leases import LEASE, LeaseLost
from inference.operations.training_orders import record

__all__ = ["TrainingLease", "claim_training", "extend_training", "holder_of_training"]

WAITING = """
SELECT t.id, t.organization_id
FROM inference_training_job t
WHERE t.state = 'queued' AND t.release_id = ANY(%(releases)s)
ORDER BY (SELECT max(o.started_at) FROM inference_training_job o
          WHERE o.organization_id = t.organization_id) NULLS FIRST, t.id
LIMIT 100
"""


@dataclass(frozen=True)
class TrainingLease:
    """The right to finish one training, as long as the epoch is the row's."""

    job_id: UUID
    organization_id: UUID
    epoch: int


@transaction.atomic
def claim_training(*, worker: Actor, release_ids: list[UUID], at: datetime) -> TrainingLease | None:
    """Take the next training on the releases that this worker holds; None when none waits.

    A tenant whom the licence stopped is passed over; the sweeper voids its trainings. Raises
    ReleaseRevoked, and LicenceRefused while the operator has stopped everything.
    """
    for release_id in sorted(release_ids):
        require_startable(release_id=release_id, at=at)
    job = pick(release_ids, at)
    if job is None:
        return None
    job.state = TrainingState.RUNNING
    job.lease_epoch += 1
    job.lease_until = at + LEASE
    job.worker = worker.id
    job.step = job.checkpoint_step
    job.started_at = job.started_at or at
    job.save(update_fields=["state", "lease_epoch", "lease_until", "worker", "step", "started_at"])
    if job.hold_id is not None:
        fence_hold(hold_id=job.hold_id, lease_epoch=job.lease_epoch)
    record(job, worker, "training.claimed", attempt=job.lease_epoch, from_step=job.step)
    return TrainingLease(job.id, job.organization_id, job.lease_epoch)


def pick(release_ids: list[UUID], at: datetime) -> TrainingJob | None:
    """Lock the next training that nobody else locks, or None."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, {"releases": release_ids})
        rows = cursor.fetchall()
    for job_id, organization_id in rows:
        if stopping_reason(organization_id=organization_id, at=at) is not None:
            continue
        job = (
            TrainingJob.objects.select_for_update(skip_locked=True)
            .filter(id=job_id, state=TrainingState.QUEUED)
            .first()
        )
        if job is not None:
            return job
    return None


@transaction.atomic
def extend_training(
    *, lease: TrainingLease, step: int, losses: list[tuple[int, float]], at: datetime
) -> bool:
    """Keep the lease and write the losses since the last time; False when the lease is lost.

    A step that was written by an earlier attempt keeps its value.
    """
    held = TrainingJob.objects.filter(
        id=lease.job_id, state=TrainingState.RUNNING, lease_epoch=lease.epoch
    ).update(lease_until=at + LEASE, step=step)
    if held:
        rows = [
            TrainingLoss(job_id=lease.job_id, step=number, loss=loss) for number, loss in losses
        ]
        TrainingLoss.objects.bulk_create(rows, ignore_conflicts=True)
    return bool(held)


def holder_of_training(lease: TrainingLease) -> TrainingJob:
    """The row, locked, if ``lease`` still holds it. Raises LeaseLost. Needs a transaction."""
    job = TrainingJob.objects.select_for_update().get(id=lease.job_id)
    if job.state != TrainingState.RUNNING or job.lease_epoch != lease.epoch:
        raise LeaseLost(f"training {lease.job_id} is {job.state}")
    return job
