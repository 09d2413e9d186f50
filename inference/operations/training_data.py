"""Datasets for training: every picture and caption through the gate, and who vouches for the rights."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.kernel.ids import uuid7
from governance.operations import audit
from inference.kernel.training_terms import (
    LONGEST_CAPTION,
    MOST_ITEMS,
    MOST_ROWS,
    STATEMENT_SHA256,
    STATEMENT_VERSION,
)
from inference.models import (
    OPEN_TRAINING_STATES,
    RightsAttestation,
    TrainingDataset,
    TrainingItem,
)
from inference.operations.planning import check_tokens
from inference.queries.training import content_sha256
from moderation.operations.intake import MediaUnusable
from moderation.operations.media import MediaBlocked, screen_media
from moderation.operations.release import record_image_decisions
from moderation.operations.screening import (
    GateRefusal,
    ScreenedPrompt,
    record_prompt_decision,
    screen_prompt,
)
from moderation.operations.standing import require_good_standing
from moderation.operations.training_pictures import (
    ScreenedPicture,
    screen_training_picture,
)
from moderation.queries.standing import PAUSED_BY_POINTS

CAPTION = "caption"
Refusals = (MediaUnusable, MediaBlocked, GateRefusal)


class DatasetFrozen(DomainError):
    """A training has begun on the dataset, so that its items stay as they are."""

    code = "dataset_frozen"
    title = "The dataset can no longer be changed"
    status = 409


class DatasetFull(DomainError):
    """The dataset holds as many items as one training takes."""

    code = "dataset_full"
    title = "The dataset is full"
    status = 409


class DatasetInUse(DomainError):
    """A training that has not ended needs the dataset."""

    code = "dataset_in_use"
    title = "A training uses this dataset"
    status = 409


class ItemExists(DomainError):
    """The dataset has this very picture already."""

    code = "training_item_exists"
    title = "This picture is in the dataset already"
    status = 409


@transaction.atomic
def create_dataset(
    *, organization_id: UUID, name: str, actor: Actor, at: datetime
) -> TrainingDataset:
    """An empty dataset. Raises InvalidRequest without a name."""
    if not name.strip():
        raise InvalidRequest("A dataset needs a name.", param="name")
    dataset = TrainingDataset.objects.create(
        organization_id=organization_id, name=name.strip()[:100], created_at=at
    )
    record(dataset, actor, "training_dataset.created")
    return dataset


def add_item(
    *,
    organization_id: UUID,
    dataset_id: UUID,
    data: bytes,
    caption: str,
    actor: Actor,
    at: datetime,
    name: str = "",
) -> TrainingItem:
    """Take in one picture with its caption, both past the gate; the decisions are on record.

    What is refused is kept as a row with its reason, without bytes and words, and raised: MediaUnusable,
    MediaBlocked, PromptBlocked, PromptHeld, PictureRefused. Raises besides NotFound, DatasetFrozen,
    DatasetFull, ItemExists, InvalidRequest, PromptTooLong, ActorSuspended, and GateUnavailable, the only
    one that may be retried.
    """
    if actor.kind in PAUSED_BY_POINTS:
        require_good_standing(actor=actor, at=at)
    check_caption(caption)
    require_room(open_dataset(organization_id, dataset_id), sha256_hex(data))
    item = TrainingItem(
        id=uuid7(),
        dataset_id=dataset_id,
        organization_id=organization_id,
        name=name[:200],
        caption=caption.strip(),
        uploaded_sha256=sha256_hex(data),
        created_at=at,
    )
    try:
        media = screen_media(
            data=data, job_id=item.id, organization_id=organization_id, actor=actor, at=at
        )
        words = screen_prompt(
            text=item.caption,
            kind=CAPTION,
            subject=item.id,
            organization_id=organization_id,
            at=at,
        )
        picture = screen_training_picture(media=media, subject=item.id)
    except Refusals as refusal:
        keep_refused(item, refusal, actor, at)
        raise
    keep_accepted(item, words, picture, actor, at)
    return item


def check_caption(caption: str) -> None:
    """Raises InvalidRequest and PromptTooLong."""
    if not caption.strip():
        raise InvalidRequest(
            "Every picture needs a caption that says what it shows.", param="caption"
        )
    if len(caption) > LONGEST_CAPTION:
        raise InvalidRequest(
            f"The caption has {len(caption)} characters; at most {LONGEST_CAPTION} are taken.",
            param="caption",
        )
    check_tokens(caption)


def open_dataset(
    organization_id: UUID, dataset_id: UUID, *, locked: bool = False
) -> TrainingDataset:
    """A dataset that can still be changed. Raises NotFound and DatasetFrozen."""
    rows = TrainingDataset.objects.select_for_update() if locked else TrainingDataset.objects.all()
    dataset = rows.filter(
        id=dataset_id, organization_id=organization_id, deleted_at__isnull=True
    ).first()
    if dataset is None:
        raise NotFound("There is no such dataset.")
    if dataset.frozen_at is not None:
        raise DatasetFrozen(
            "A training was started on this dataset. Make a new dataset for other items."
        )
    return dataset


def require_room(dataset: TrainingDataset, uploaded_sha256: str) -> None:
    """Raises DatasetFull and ItemExists."""
    items = TrainingItem.objects.filter(dataset=dataset)
    if items.filter(accepted=True, uploaded_sha256=uploaded_sha256).exists():
        raise ItemExists("This very file is in the dataset already.")
    if items.filter(accepted=True).count() >= MOST_ITEMS or items.count() >= MOST_ROWS:
        raise DatasetFull(f"A dataset holds at most {MOST_ITEMS} pictures.", limit=MOST_ITEMS)


@transaction.atomic
def keep_refused(item: TrainingItem, refusal: DomainError, actor: Actor, at: datetime) -> None:
    """The row that says why, and the gate's decision; MediaBlocked has written its own."""
    item.accepted = False
    item.error_code, item.error_detail = refusal.code, refusal.detail
    item.error_facts = {name: refusal.facts[name] for name in TOLD if name in refusal.facts}
    item.caption = ""
    item.save(force_insert=True)
    if isinstance(refusal, GateRefusal):
        record_prompt_decision(
            refusal, job_id=item.id, organization_id=item.organization_id, actor=actor, at=at
        )
    record(item.dataset, actor, "training_item.refused", item=str(item.id), code=refusal.code)


TOLD = ("stage", "aup_items", "decision_id", "appeal_url", "reason", "param")


def keep_accepted(
    item: TrainingItem, words: ScreenedPrompt, picture: ScreenedPicture, actor: Actor, at: datetime
) -> None:
    """The stored PNG, the row, both decisions. Raises DatasetFrozen, DatasetFull and ItemExists."""
    item.accepted = True
    item.sha256, item.width, item.height = picture.sha256, picture.width, picture.height
    item.caption_receipt, item.picture_receipt = words.receipt, picture.receipt
    item.blob = f"{item.organization_id}/training/{item.dataset_id}/{item.id}.png"
    default_storage.save(item.blob, ContentFile(picture.data))
    try:
        write_accepted(item, words, picture, actor, at)
    except Exception:
        default_storage.delete(item.blob)
        raise


@transaction.atomic
def write_accepted(
    item: TrainingItem, words: ScreenedPrompt, picture: ScreenedPicture, actor: Actor, at: datetime
) -> None:
    """Row, decisions and audit entry in one transaction, under the dataset's lock."""
    dataset = open_dataset(item.organization_id, item.dataset_id, locked=True)
    require_room(dataset, item.uploaded_sha256)
    item.save(force_insert=True)
    who: dict[str, Any] = {
        "job_id": item.id,
        "organization_id": item.organization_id,
        "actor": actor,
        "at": at,
    }
    record_prompt_decision(words, **who)
    record_image_decisions(verdicts=picture.verdicts, **who)
    record(dataset, actor, "training_item.added", item=str(item.id), sha256=item.sha256)


@transaction.atomic
def remove_item(*, organization_id: UUID, dataset_id: UUID, item_id: UUID, actor: Actor) -> None:
    """Take an item out of a dataset that is not frozen, bytes and words. Raises NotFound, DatasetFrozen."""
    dataset = open_dataset(organization_id, dataset_id, locked=True)
    item = TrainingItem.objects.filter(id=item_id, dataset=dataset).first()
    if item is None:
        raise NotFound("There is no such item.")
    blob = item.blob
    item.delete()
    record(dataset, actor, "training_item.removed", item=str(item_id))
    if blob:
        transaction.on_commit(lambda: default_storage.delete(blob))


@transaction.atomic
def attest_rights(
    *, organization_id: UUID, dataset_id: UUID, text_version: str, actor: Actor, at: datetime
) -> RightsAttestation:
    """``actor`` vouches for the rights to every accepted item as it is now.

    Raises NotFound, DatasetFrozen, and InvalidRequest where another text is in force or nothing is
    there to vouch for. An item that is added later needs a new attestation.
    """
    dataset = open_dataset(organization_id, dataset_id, locked=True)
    if text_version != STATEMENT_VERSION:
        raise InvalidRequest(
            f"The statement in force is {STATEMENT_VERSION}; read it and accept that one.",
            param="text_version",
        )
    if not TrainingItem.objects.filter(dataset=dataset, accepted=True).exists():
        raise InvalidRequest("The dataset is empty.", param="dataset")
    attestation = RightsAttestation.objects.create(
        dataset=dataset,
        organization_id=organization_id,
        items_sha256=content_sha256(dataset.id),
        text_version=STATEMENT_VERSION,
        text_sha256=STATEMENT_SHA256,
        actor_kind=actor.kind,
        actor_id=actor.id[:64],
        actor_label=actor.label[:254],
        at=at,
    )
    record(
        dataset,
        actor,
        "training.rights_attested",
        items_sha256=attestation.items_sha256,
        text_version=STATEMENT_VERSION,
        text_sha256=STATEMENT_SHA256,
    )
    return attestation


@transaction.atomic
def delete_dataset(*, organization_id: UUID, dataset_id: UUID, actor: Actor, at: datetime) -> None:
    """Take a dataset away with its pictures and captions; hashes, decisions and lineage stay.

    Raises NotFound, and DatasetInUse while a training on it has not ended.
    """
    dataset = (
        TrainingDataset.objects.select_for_update()
        .filter(id=dataset_id, organization_id=organization_id, deleted_at__isnull=True)
        .first()
    )
    if dataset is None:
        raise NotFound("There is no such dataset.")
    if dataset.jobs.filter(state__in=OPEN_TRAINING_STATES).exists():
        raise DatasetInUse("Cancel its trainings first, or wait until they have ended.")
    dataset.deleted_at = at
    dataset.save(update_fields=["deleted_at"])
    blobs = list(dataset.items.exclude(blob="").values_list("blob", flat=True))
    dataset.items.update(caption="", name="", error_detail="")
    record(dataset, actor, "training_dataset.deleted", items=len(blobs))

    def delete_blobs() -> None:
        for blob in blobs:
            default_storage.delete(blob)

    transaction.on_commit(delete_blobs)


def read_item(item: TrainingItem) -> bytes:
    """The stored PNG of an accepted item. Raises NotFound where it is gone."""
    try:
        with default_storage.open(item.blob, "rb") as stream:
            return bytes(stream.read())
    except FileNotFoundError as error:
        raise NotFound("The picture is no longer stored.") from error


def record(dataset: TrainingDataset, actor: Actor, act: str, **facts: Any) -> None:
    """One audit entry about ``dataset``."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=dataset.organization_id,
        subject_kind="training_dataset",
        subject_id=dataset.id,
        facts=facts,
    )
