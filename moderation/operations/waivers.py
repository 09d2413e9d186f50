"""Leaving watermark and credentials out: asked for by one person, approved by another, for a time.

Section 4.1(c) of the licence forbids to remove provenance; whoever does it here gives a reason, needs a
second person, and both stand in the audit log and in every report.
"""

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidRequest, NotFound
from governance.operations import audit
from moderation.models import ProvenanceWaiver
from moderation.operations.policies import SecondPersonNeeded
from moderation.queries.provenance import waiver_in_force

logger = logging.getLogger(__name__)
LONGEST_DAYS = 30


def waiver_of(*, organization_id: UUID, at: datetime) -> str:
    """The waiver that holds for a job that begins now, for its prompt's receipt; mostly none.

    A waiver that cannot be read is none: a database that is away leaves no image unmarked.
    """
    try:
        return waiver_in_force(organization_id=organization_id, at=at)
    except Exception as failure:  # noqa: BLE001 (whatever keeps us from reading: images are marked)
        logger.warning("gate: waivers cannot be read: %r", failure)
        return ""


@transaction.atomic
def propose_waiver(
    *, organization_id: UUID | None, reason: str, days: int, actor: Actor, at: datetime
) -> ProvenanceWaiver:
    """Ask that images leave unmarked for ``days``, of one organization or of all (None).

    Nothing changes until another person approves. Raises InvalidRequest (no reason, or not 1 to 30
    days).
    """
    if not reason.strip() or not 1 <= days <= LONGEST_DAYS:
        raise InvalidRequest(
            f"Give a reason, and a time of 1 to {LONGEST_DAYS} days.", param="reason"
        )
    waiver = ProvenanceWaiver.objects.create(
        organization_id=organization_id,
        reason=reason.strip(),
        ends_at=at + timedelta(days=days),
        proposed_by_id=UUID(actor.id),
        proposed_at=at,
    )
    _audit("provenance.waiver_proposed", waiver, actor, reason=waiver.reason, days=days)
    return waiver


@transaction.atomic
def answer_waiver(*, waiver_id: UUID, approve: bool, actor: Actor, at: datetime) -> None:
    """Another person approves or declines. Raises NotFound and SecondPersonNeeded."""
    waiver = _open(waiver_id, answered_at=None)
    if approve and actor.id == str(waiver.proposed_by_id):
        raise SecondPersonNeeded("You asked for it: another person must approve it.")
    waiver.answered_by_id, waiver.answered_at, waiver.approved = UUID(actor.id), at, approve
    waiver.save(update_fields=["answered_by", "answered_at", "approved"])
    word = "approved" if approve else "declined"
    _audit(f"provenance.waiver_{word}", waiver, actor, reason=waiver.reason)


@transaction.atomic
def end_waiver(*, waiver_id: UUID, actor: Actor, at: datetime) -> None:
    """Mark again from now on; one person is enough. Raises NotFound (it does not hold)."""
    waiver = _open(waiver_id, approved=True, ended_at=None, ends_at__gt=at)
    waiver.ended_by_id, waiver.ended_at = UUID(actor.id), at
    waiver.save(update_fields=["ended_by", "ended_at"])
    _audit("provenance.waiver_ended", waiver, actor)


def _open(waiver_id: UUID, **state: object) -> ProvenanceWaiver:
    waiver = ProvenanceWaiver.objects.select_for_update().filter(id=waiver_id, **state).first()
    if waiver is None:
        raise NotFound("There is no such waiver to act on.")
    return waiver


def _audit(act: str, waiver: ProvenanceWaiver, actor: Actor, **facts: object) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=waiver.organization_id,
        subject_kind="provenance_waiver",
        subject_id=waiver.id,
        facts={"ends_at": waiver.ends_at.isoformat(), **facts},
    )
