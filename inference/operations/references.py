"""Taking in style references: decoded in the sandbox, past the gate, kept in a normal form, private."""

import io
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from PIL import Image

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from governance.operations import audit
from inference.models import ImageRetention, StyleReference
from inference.queries.references import references_of
from moderation.operations.intake import AdmittedMedia
from moderation.operations.media import MediaBlocked, screen_media
from moderation.operations.references import screen_reference

# No drawing is larger a side, and a reference is cut to the drawing's size.
LONGEST_SIDE_PX = 2048
LONGEST_NAME = 100
BATCH = 200


def upload_reference(
    *, data: bytes, name: str, organization_id: UUID, actor: Actor, at: datetime
) -> StyleReference:
    """Take in a PNG, JPEG or WebP picture whose style images shall take on.

    The same file sent twice gives the first's reference, after a new look in the hash banks, which may
    know it by now; then the first one is deleted as well. Raises MediaUnusable, MediaBlocked,
    ReferenceBlocked, GateUnavailable (the only one that a retry helps).
    """
    uploaded = sha256_hex(data)
    if (earlier := reference_with(uploaded, organization_id)) is not None:
        look_again(earlier, data, actor, at)
        return earlier
    reference = StyleReference(
        id=uuid7(),
        organization_id=organization_id,
        name=name.strip()[:LONGEST_NAME],
        uploaded_sha256=uploaded,
        created_at=at,
    )
    media = screen_reference(
        data=data, reference_id=reference.id, organization_id=organization_id, actor=actor, at=at
    )
    store(reference, media)
    try:
        register(reference, actor)
    except IntegrityError:
        default_storage.delete(reference.blob)
        found = reference_with(uploaded, organization_id)
        assert found is not None, "the same file was taken in meanwhile"
        return found
    return reference


def look_again(reference: StyleReference, data: bytes, actor: Actor, at: datetime) -> None:
    """Ask the hash banks anew. Raises MediaBlocked; the reference is deleted then."""
    try:
        screen_media(
            data=data,
            job_id=reference.id,
            organization_id=reference.organization_id,
            actor=actor,
            at=at,
        )
    except MediaBlocked:
        with suppress(NotFound):  # Somebody else was faster.
            delete_reference(
                organization_id=reference.organization_id,
                reference_id=reference.id,
                actor=SYSTEM,
                at=at,
                reason="a hash bank knows it",
            )
        raise


def reference_with(uploaded_sha256: str, organization_id: UUID) -> StyleReference | None:
    """The organization's reference that was made from this very file."""
    return references_of(organization_id).filter(uploaded_sha256=uploaded_sha256).first()


def store(reference: StyleReference, media: AdmittedMedia) -> None:
    """Write the normal form, and on the row what it is."""
    picture = Image.fromarray(np.asarray(media.pixels))
    picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    normal = stream.getvalue()
    reference.sha256, reference.size_bytes = sha256_hex(normal), len(normal)
    reference.width, reference.height = picture.size
    reference.blob = default_storage.save(
        f"{reference.organization_id}/references/{reference.id}.png", ContentFile(normal)
    )


@transaction.atomic
def register(reference: StyleReference, actor: Actor) -> None:
    """The row and its audit entry. Raises IntegrityError for a file that is there already."""
    reference.save(force_insert=True)
    record(reference, actor, "style_reference.added")


@transaction.atomic
def delete_reference(
    *,
    organization_id: UUID,
    reference_id: UUID,
    actor: Actor,
    at: datetime,
    reason: str = "deleted by its owner",
) -> None:
    """Delete a reference; its file goes once this commits, and jobs that wait with it end free of
    charge. Raises NotFound, also for another tenant's."""
    reference = references_of(organization_id).select_for_update().filter(id=reference_id).first()
    if reference is None:
        raise NotFound(f"There is no style reference {reference_id}.")
    erase(reference, actor, reason, at)


def expire_references(*, at: datetime) -> int:
    """Delete references that are older than their organization keeps images; returns how many.

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
    """Delete up to BATCH references of one organization that were sent before ``limit``."""
    old = list(
        references_of(organization_id)
        .select_for_update(skip_locked=True)
        .filter(created_at__lt=limit)[:BATCH]
    )
    for reference in old:
        erase(reference, SYSTEM, f"older than {days} days", at)
    return len(old)


def erase(reference: StyleReference, actor: Actor, reason: str, at: datetime) -> None:
    """Mark a locked row as deleted, say so in the audit log, and delete the file after the commit."""
    reference.deleted_at = at
    reference.save(update_fields=["deleted_at"])
    record(reference, actor, "style_reference.deleted", reason=reason)
    blob = reference.blob
    transaction.on_commit(lambda: default_storage.delete(blob))


def record(reference: StyleReference, actor: Actor, act: str, **facts: Any) -> None:
    """One audit entry about ``reference``."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=reference.organization_id,
        subject_kind="style_reference",
        subject_id=reference.id,
        facts={"sha256": reference.sha256, "uploaded_sha256": reference.uploaded_sha256, **facts},
    )
