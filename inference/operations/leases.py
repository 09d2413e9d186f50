"""Claiming jobs: fair between tenants, one worker at a time, fenced by an epoch."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from billing.operations.holds import fence_hold
from governance.kernel.actors import Actor
from governance.operations.authorization import require_startable, stopping_reason
from inference.models import Generation, State
from inference.operations.submission import record

LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 3

# Tenants that wait, the one with the least virtual time first. A tenant that was idle has its clock
# raised to the least of the others, so that idling saves up nothing.
WAITING_TENANTS = """
SELECT w.organization_id
FROM (SELECT DISTINCT organization_id FROM inference_generation
      WHERE state = 'queued' AND release_id = ANY(%(releases)s)) w
LEFT JOIN inference_tenant_share s USING (organization_id)
ORDER BY coalesce(s.virtual_gflop, 0), w.organization_id
"""

OLDEST_JOB = """
SELECT id, work_gflop FROM inference_generation
WHERE organization_id = %(organization)s AND state = 'queued' AND release_id = ANY(%(releases)s)
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

CHARGE_SHARE = """
INSERT INTO inference_tenant_share (organization_id, virtual_gflop)
VALUES (%(organization)s, %(floor)s + %(work)s)
ON CONFLICT (organization_id) DO UPDATE
SET virtual_gflop = greatest(inference_tenant_share.virtual_gflop, %(floor)s) + %(work)s
"""

FLOOR = """
SELECT coalesce(min(s.virtual_gflop), 0)
FROM inference_tenant_share s
WHERE s.organization_id <> %(organization)s
  AND EXISTS (SELECT 1 FROM inference_generation g
              WHERE g.organization_id = s.organization_id AND g.state = 'queued')
"""


class LeaseLost(Exception):
    """Another worker has the job now, or it is final: whatever this attempt made is dropped."""


@dataclass(frozen=True)
class Lease:
    """The right to finish one job, as long as the epoch is the row's."""

    generation_id: UUID
    organization_id: UUID
    epoch: int
    attempt: int

    @property
    def is_retry(self) -> bool:
        """Whether an engine has ended on this job before, so that it is drawn alone."""
        return self.attempt > 1


@transaction.atomic
def claim_next(*, worker: Actor, release_ids: list[UUID], at: datetime) -> Lease | None:
    """Take the next job for the releases this worker holds; None when nothing waits.

    Two workers never get the same job (SKIP LOCKED); a lost or doubled doorbell changes nothing.
    Raises ReleaseRevoked, and LicenceRefused while the operator has stopped everything.
    """
    # The releases are locked before the job: a revocation takes them in the same order.
    for release_id in sorted(release_ids):
        require_startable(release_id=release_id, at=at)
    picked = pick(release_ids, at)
    if picked is None:
        return None
    job_id, organization_id = picked
    generation = Generation.objects.get(id=job_id)
    generation.state = State.RUNNING
    generation.lease_epoch += 1
    generation.attempts += 1
    generation.lease_until = at + LEASE
    generation.worker = worker.id
    generation.step = 0
    generation.started_at = generation.started_at or at
    generation.save(
        update_fields=[
            "state", "lease_epoch", "attempts", "lease_until", "worker", "step", "started_at"
        ]
    )  # fmt: skip
    if generation.hold_id is not None:
        fence_hold(hold_id=generation.hold_id, lease_epoch=generation.lease_epoch)
    record(generation, worker, "generation.claimed", attempt=generation.attempts)
    return Lease(generation.id, organization_id, generation.lease_epoch, generation.attempts)


def pick(release_ids: list[UUID], at: datetime) -> tuple[UUID, UUID] | None:
    """Lock the next job and charge its tenant's share: job and organization, or None.

    A tenant whom the licence stopped after it asked is passed over; the sweeper voids its jobs.
    """
    with connection.cursor() as cursor:
        cursor.execute(WAITING_TENANTS, {"releases": release_ids})
        for (organization_id,) in cursor.fetchall():
            if stopping_reason(organization_id=organization_id, at=at) is not None:
                continue
            tenant = {"organization": organization_id, "releases": release_ids}
            cursor.execute(OLDEST_JOB, tenant)
            found = cursor.fetchone()
            if found is None:
                continue
            job_id, work = found
            cursor.execute(FLOOR, {"organization": organization_id})
            row = cursor.fetchone()
            floor = row[0] if row else 0
            cursor.execute(
                CHARGE_SHARE, {"organization": organization_id, "floor": floor, "work": work}
            )
            return job_id, organization_id
    return None


def extend(*, lease: Lease, step: int, at: datetime) -> bool:
    """Keep the lease while steps are made; False when it is lost."""
    return bool(
        Generation.objects.filter(
            id=lease.generation_id, state=State.RUNNING, lease_epoch=lease.epoch
        ).update(lease_until=at + LEASE, step=step)
    )


def holder_of(lease: Lease) -> Generation:
    """The row, locked, if ``lease`` still holds it. Raises LeaseLost. Needs a transaction."""
    generation = Generation.objects.select_for_update().get(id=lease.generation_id)
    if generation.state != State.RUNNING or generation.lease_epoch != lease.epoch:
        raise LeaseLost(f"generation {lease.generation_id} is {generation.state}")
    return generation
