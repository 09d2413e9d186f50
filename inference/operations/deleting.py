"""Images that are taken away: by their owner, by moderation, or when their time is over."""

from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import InvalidRequest, NotFound
from governance.operations import audit
from inference.models import Artifact, ImageRetention

BATCH = 200
LONGEST_DAYS = 3650


@transaction.atomic
def delete_image(
    *, organization_id: UUID, generation_id: UUID, index: int, actor: Actor, at: datetime
) -> None:
    """Delete an image on its owner's wish; the file goes once this commits. Raises NotFound.

    The row, its hash and its receipt stay: they are the evidence of what was delivered and charged.
    """
    image = locked(generation_id, index, organization_id=organization_id)
    if image is None:
        raise NotFound("There is no such image, or it was deleted.")
    erase(image, actor, "deleted by its owner", at)


@transaction.atomic
def erase_image(job_id: UUID, index: int, reason: str, at: datetime) -> None:
    """Take a delivered image away for good, as moderation asks. Idempotent."""
    image = locked(job_id, index)
    if image is not None:
        erase(image, SYSTEM, reason, at)


@transaction.atomic
def set_image_retention(
    *, organization_id: UUID, days: int | None, actor: Actor, at: datetime
) -> None:
    """Keep the organization's images for ``days``; None keeps them until they are deleted.

    Holds for the images that are there already, too. Raises InvalidRequest.
    """
    if days is None:
        ImageRetention.objects.filter(organization_id=organization_id).delete()
    elif not 1 <= days <= LONGEST_DAYS:
        raise InvalidRequest(f"days must be from 1 to {LONGEST_DAYS}, or null.", param="days")
    else:
        ImageRetention.objects.update_or_create(
            organization_id=organization_id, defaults={"days": days, "updated_at": at}
        )
    audit.record(
        act="image_retention.changed",
        actor=actor,
        organization_id=organization_id,
        subject_kind="organization",
        subject_id=organization_id,
        facts={"days": days},
    )


def image_retention(organization_id: UUID) -> int | None:
    """Days for which the organization's images are kept; None: until they are deleted."""
    return (
        ImageRetention.objects.filter(organization_id=organization_id)
        .values_list("days", flat=True)
        .first()
    )


def expire_images(*, at: datetime) -> int:
    """Erase every image that is older than its organization keeps them; returns how many.

    May be repeated and interrupted: each batch is a transaction of its own.
    """
    erased = 0
    for retention in ImageRetention.objects.all().order_by("organization_id"):
        limit = at - timedelta(days=retention.days)
        while (batch := expire_batch(retention.organization_id, limit, retention.days, at)) > 0:
            erased += batch
    return erased


@transaction.atomic
def expire_batch(organization_id: UUID, limit: datetime, days: int, at: datetime) -> int:
    """Erase up to BATCH images of one organization that were made before ``limit``."""
    old = list(
        Artifact.objects.select_for_update(skip_locked=True).filter(
            organization_id=organization_id, created_at__lt=limit, deleted_at__isnull=True
        )[:BATCH]
    )
    for image in old:
        erase(image, SYSTEM, f"older than {days} days", at)
    return len(old)


def locked(
    generation_id: UUID, index: int, *, organization_id: UUID | None = None
) -> Artifact | None:
    """The image's row, locked, unless it was erased or is another organization's."""
    images = Artifact.objects.select_for_update().filter(
        generation_id=generation_id, index=index, deleted_at__isnull=True
    )
    if organization_id is not None:
        images = images.filter(organization_id=organization_id)
    return images.first()


def erase(image: Artifact, actor: Actor, reason: str, at: datetime) -> None:
    """Mark a locked row as erased, say so in the audit log, and delete the file after the commit."""
    image.deleted_at = at
    image.save(update_fields=["deleted_at"])
    audit.record(
        act="image.erased",
        actor=actor,
        organization_id=image.organization_id,
        subject_kind="generation",
        subject_id=image.generation_id,
        facts={"index": image.index, "sha256": image.sha256, "reason": reason},
    )
    blob = image.blob
    transaction.on_commit(lambda: default_storage.delete(blob))
