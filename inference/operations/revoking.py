"""What is taken back: queued work on releases that may not start, and delivered images."""

from datetime import datetime
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from governance.models import ReleaseStatus
from governance.operations import audit
from inference.models import Artifact, Generation, State
from inference.operations.finishing import close_unpaid
from inference.operations.storage import read_image

BATCH = 200


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


def close_all(jobs: list[Generation], at: datetime) -> int:
    """End locked, queued ``jobs`` with nothing charged."""
    for job in jobs:
        close_unpaid(
            job,
            State.FAILED,
            code="model_revoked",
            detail="The model was withdrawn before this generation started. Nothing was charged.",
            facts={},
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


@transaction.atomic
def erase_image(job_id: UUID, index: int, reason: str, at: datetime) -> None:
    """Take a delivered image away for good; the file goes once this commits. Idempotent.

    The row, its hash and its receipt stay: they are the evidence of what was removed.
    """
    image = (
        Artifact.objects.select_for_update()
        .filter(generation_id=job_id, index=index, deleted_at__isnull=True)
        .first()
    )
    if image is None:
        return
    image.deleted_at = at
    image.save(update_fields=["deleted_at"])
    audit.record(
        act="image.erased",
        actor=SYSTEM,
        organization_id=image.organization_id,
        subject_kind="generation",
        subject_id=job_id,
        facts={"index": index, "sha256": image.sha256, "reason": reason},
    )
    blob = image.blob
    transaction.on_commit(lambda: default_storage.delete(blob))
