"""Preservation holds: placed by one person, ended only by two, never before their day."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.operations import audit
from moderation.models import Evidence, PreservationHold
from moderation.operations.vault import EvidenceErased


class HoldStands(DomainError):
    """The hold cannot be released: too early, or by the person who asked for it."""

    code = "hold_stands"
    title = "The preservation hold stands"
    status = 409


@transaction.atomic
def place_hold(
    *, evidence_id: UUID, basis: str, for_at_least: timedelta, actor: Actor, at: datetime
) -> PreservationHold:
    """Preserve one piece of evidence. Raises NotFound, EvidenceErased.

    Waits for an erasure that is under way, so that either the hold stands or it says that it is
    too late.
    """
    evidence = Evidence.objects.select_for_update().filter(id=evidence_id).first()
    if evidence is None:
        raise NotFound("There is no such evidence.")
    if evidence.erased_at is not None:
        raise EvidenceErased("This evidence was erased before the hold.")
    hold = PreservationHold.objects.create(
        evidence=evidence,
        basis=basis,
        placed_by_id=UUID(actor.id) if actor.kind == "user" else None,
        placed_at=at,
        not_before=at + for_at_least,
    )
    _audit("hold.placed", hold, actor, basis=basis)
    return hold


@transaction.atomic
def ask_release(*, hold_id: UUID, actor: Actor, at: datetime) -> PreservationHold:
    """The first person's signature under the end of a hold. Raises HoldStands before its day."""
    hold = _locked(hold_id)
    if at < hold.not_before:
        raise HoldStands(f"It holds until {hold.not_before:%d %B %Y} at least.")
    hold.release_asked_by_id = UUID(actor.id)
    hold.save(update_fields=["release_asked_by"])
    _audit("hold.release_asked", hold, actor)
    return hold


@transaction.atomic
def release_hold(*, hold_id: UUID, actor: Actor, at: datetime) -> PreservationHold:
    """The second person's signature: the hold ends. Raises HoldStands for the same person."""
    hold = _locked(hold_id)
    if hold.release_asked_by_id is None or str(hold.release_asked_by_id) == actor.id:
        raise HoldStands("Two people release a hold: another one must have asked for it first.")
    if at < hold.not_before:
        raise HoldStands(f"It holds until {hold.not_before:%d %B %Y} at least.")
    hold.released_by_id, hold.released_at = UUID(actor.id), at
    hold.save(update_fields=["released_by", "released_at"])
    _audit("hold.released", hold, actor)
    return hold


def _locked(hold_id: UUID) -> PreservationHold:
    hold = PreservationHold.objects.select_for_update().filter(id=hold_id).first()
    if hold is None or hold.released_at is not None:
        raise NotFound("There is no such hold in force.")
    return hold


def _audit(act: str, hold: PreservationHold, actor: Actor, **facts: str) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=hold.evidence.organization_id,
        subject_kind="evidence",
        subject_id=hold.evidence_id,
        facts={"hold": str(hold.id), **facts},
    )
