"""Items of a dataset for training: every picture and caption through the gate."""

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
from inference.kernel.training_terms import (
    LONGEST_CAPTION,
    MOST_ITEMS,
    MOST_ROWS,
)
from inference.models import TrainingDataset, TrainingItem
from inference.operations.planning import check_tokens
from inference.operations.training_data import open_dataset, record
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


class DatasetFull(DomainError):
    """The dataset holds as many items as one training takes."""

    code = "dataset_full"
    title = "The dataset is full"
    status = 409


class ItemExists(DomainError):
    """The dataset has this very picture already."""

    code = "training_item_exists"
    title = "This picture is in the dataset already"
    status = 409


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


def read_item(item: TrainingItem) -> bytes:
    """The stored PNG of an accepted item. Raises NotFound where it is gone."""
    try:
        with default_storage.open(item.blob, "rb") as stream:
            return bytes(stream.read())
    except FileNotFoundError as error:
        raise NotFound("The picture is no longer stored.") from error
