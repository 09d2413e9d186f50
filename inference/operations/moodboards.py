"""Moodboards: several references with weights under one name; and what a request's styles come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidRequest, NotFound
from governance.kernel.ids import uuid7
from governance.operations import audit
from inference.models import Moodboard
from inference.queries.references import moodboard_of, moodboards_of, references_of

MOST_REFERENCES = 10
STRENGTH_DIGITS = 3
DEFAULT_STRENGTH = 0.5


@dataclass(frozen=True)
class StyleChoice:
    """A reference and how strongly: 0 (not at all) to 1 (its answer alone counts)."""

    id: UUID
    strength: float = DEFAULT_STRENGTH


@dataclass(frozen=True)
class StyleWish:
    """What a request asks for: references, a moodboard at a strength, and variation.

    ``variation``: the share of the steps, the last ones, that go on without the references, 0 to 1.
    """

    references: tuple[StyleChoice, ...] = ()
    moodboard: UUID | None = None
    strength: float = DEFAULT_STRENGTH
    variation: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For the request's fingerprint."""
        return {
            "references": [[str(each.id), str(each.strength)] for each in self.references],
            "moodboard": [str(self.moodboard), str(self.strength)] if self.moodboard else None,
            "variation": str(self.variation),
        }


NO_STYLE = StyleWish()


@transaction.atomic
def create_moodboard(
    *,
    organization_id: UUID,
    name: str,
    entries: Sequence[StyleChoice],
    actor: Actor,
    at: datetime,
) -> Moodboard:
    """Keep up to 10 of the organization's references with weights above 0 up to 1. Raises
    InvalidRequest and NotFound."""
    if not name.strip():
        raise InvalidRequest("A moodboard needs a name.", param="name")
    require_choices(entries, "references")
    if not entries or any(each.strength == 0 for each in entries):
        raise InvalidRequest(
            "A moodboard needs references with weights above 0.", param="references"
        )
    require_found(entries, organization_id)
    board = Moodboard.objects.create(
        id=uuid7(),
        organization_id=organization_id,
        name=name.strip()[:100],
        entries=[{"id": str(each.id), "weight": each.strength} for each in entries],
        created_at=at,
    )
    record(board, actor, "moodboard.created")
    return board


@transaction.atomic
def delete_moodboard(
    *, organization_id: UUID, moodboard_id: UUID, actor: Actor, at: datetime
) -> None:
    """Delete a moodboard; its references stay. Raises NotFound, also for another tenant's."""
    board = moodboards_of(organization_id).select_for_update().filter(id=moodboard_id).first()
    if board is None:
        raise NotFound(f"There is no moodboard {moodboard_id}.")
    board.deleted_at = at
    board.save(update_fields=["deleted_at"])
    record(board, actor, "moodboard.deleted")


def chosen_references(wish: StyleWish, *, organization_id: UUID) -> list[dict[str, Any]]:
    """What the job's row keeps of the styles it asks for; strength 0 is none at all.

    A moodboard's heaviest reference gets the strength, the others their share of it. Raises
    InvalidRequest and NotFound.
    """
    if not 0 <= wish.variation <= 1:
        raise InvalidRequest("style_variation is from 0 to 1.", param="style_variation")
    choices = [*wish.references, *board_choices(wish, organization_id)]
    require_choices(choices, "style_references")
    effective = [each for each in choices if each.strength > 0]
    found = require_found(effective, organization_id)
    return [
        {
            "id": str(each.id),
            "organization": str(organization_id),
            "sha256": found[each.id].sha256,
            "blob": found[each.id].blob,
            "strength": round(each.strength, STRENGTH_DIGITS),
        }
        for each in effective
    ]


def board_choices(wish: StyleWish, organization_id: UUID) -> list[StyleChoice]:
    """The references of the wish's moodboard. Raises InvalidRequest and NotFound."""
    if wish.moodboard is None:
        return []
    if not 0 <= wish.strength <= 1:
        raise InvalidRequest("moodboard_strength is from 0 to 1.", param="moodboard_strength")
    entries = moodboard_of(organization_id, wish.moodboard).entries
    heaviest = max(entry["weight"] for entry in entries)
    return [
        StyleChoice(UUID(entry["id"]), wish.strength * entry["weight"] / heaviest)
        for entry in entries
    ]


def require_choices(choices: Sequence[StyleChoice], param: str) -> None:
    """At most 10, each once, each from 0 to 1. Raises InvalidRequest."""
    if len(choices) > MOST_REFERENCES or len({each.id for each in choices}) < len(choices):
        raise InvalidRequest(f"At most {MOST_REFERENCES} references, each once.", param=param)
    if not all(0 <= each.strength <= 1 for each in choices):
        raise InvalidRequest("The strength of a reference is from 0 to 1.", param=param)


def require_found(choices: Sequence[StyleChoice], organization_id: UUID) -> dict[UUID, Any]:
    """The references by id. Raises NotFound, also for another tenant's."""
    if not choices:
        return {}
    found = references_of(organization_id).in_bulk([each.id for each in choices])
    for each in choices:
        if each.id not in found:
            raise NotFound(f"There is no style reference {each.id}, or it was deleted.")
    return found


def record(board: Moodboard, actor: Actor, act: str) -> None:
    """One audit entry about ``board``."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=board.organization_id,
        subject_kind="moodboard",
        subject_id=board.id,
        facts={"references": [entry["id"] for entry in board.entries]},
    )
