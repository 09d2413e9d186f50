"""Strikes and what follows from them: a warning, then a pause, until they expire."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError
from governance.operations import audit
from moderation.models import AbuseNote, Decision, Strike
from moderation.queries.standing import (
    SUSPENDED_AT,
    WINDOW,
    Standing,
    abuse_signs,
    standing_of,
)

WEIGHTS = {"1": 10, "2": 5}
LIFETIMES = {"1": timedelta(days=365), "2": timedelta(days=180)}
LIFETIME = timedelta(days=30)
# The canary proves the gate; who asks for it does no wrong.
NEVER_COUNTED = frozenset({"canary", ""})


class ActorSuspended(DomainError):
    """Too many refused attempts: this person is paused until the strikes expire."""

    code = "moderation_suspended"
    title = "Generation is paused after repeated refusals"
    status = 403


@dataclass(frozen=True)
class Consequence:
    """What a new strike led to."""

    strike: Strike
    standing: Standing


def strike_for(decision: Decision) -> Consequence | None:
    """Count a refused attempt, in the transaction that records it. None where nothing counts.

    A refusal because a classifier failed is nobody's fault and is not counted.
    """
    counted = decision.complete and decision.outcome in {"block", "block_and_report"}
    if not counted or decision.stage != "input" or decision.item in NEVER_COUNTED:
        return None
    strike = Strike.objects.create(
        organization_id=decision.organization_id,
        actor_kind=decision.actor_kind,
        actor_id=decision.actor_id,
        decision_id=decision.id,
        item=decision.item,
        weight=WEIGHTS.get(decision.item, 1),
        at=decision.at,
        expires_at=decision.at + LIFETIMES.get(decision.item, LIFETIME),
    )
    standing = standing_of(
        actor_kind=decision.actor_kind, actor_id=decision.actor_id, at=decision.at
    )
    if standing.until is not None and standing.points - strike.weight < SUSPENDED_AT:
        _audit_suspension(strike, standing)
    return Consequence(strike, standing)


def note_abuse(decision: Decision) -> bool:
    """Say in the audit log, once an hour, that an actor looks like one who tries the filter out.

    Many refusals among their prompts, or a refused prompt again and again in other words.
    """
    who = {"actor_kind": decision.actor_kind, "actor_id": decision.actor_id}
    signs = abuse_signs(**who, at=decision.at)
    since = decision.at - WINDOW
    if not signs.suspicious or AbuseNote.objects.filter(**who, at__gt=since).exists():
        return False
    AbuseNote.objects.create(
        **who,
        organization_id=decision.organization_id,
        prompts=signs.prompts,
        refused=signs.refused,
        evasions=signs.evasions,
        at=decision.at,
    )
    audit.record(
        act="abuse.suspected",
        actor=SYSTEM,
        organization_id=decision.organization_id,
        subject_kind=decision.actor_kind,
        subject_id=decision.actor_id,
        facts={
            "prompts": signs.prompts,
            "refused": signs.refused,
            "evasions": signs.evasions,
        },
    )
    return True


def pardon(*, decision_id: UUID, actor: Actor, at: datetime) -> None:
    """Take back the strike of an overturned decision. Asked again, nothing changes."""
    found = Strike.objects.filter(Q(pardoned_at__isnull=True), decision_id=decision_id)
    for strike in found.select_for_update():
        strike.pardoned_at = at
        strike.save(update_fields=["pardoned_at"])
        audit.record(
            act="strike.pardoned",
            actor=actor,
            organization_id=strike.organization_id,
            subject_kind="strike",
            subject_id=strike.id,
            facts={"decision": str(decision_id), "weight": strike.weight},
        )


def require_good_standing(*, actor: Actor, at: datetime) -> Standing:
    """The actor's standing. Raises ActorSuspended with points and until when; call it at the door."""
    standing = standing_of(actor_kind=actor.kind, actor_id=actor.id, at=at)
    if standing.until is not None:
        raise ActorSuspended(
            f"{standing.points} points from refused prompts pause you until "
            f"{standing.until:%d %B %Y %H:%M} UTC. Appeal the decisions that were wrong; an "
            "overturned one takes its points back.",
            points=standing.points,
            suspended_until=standing.until.isoformat(),
            charged_microusd=0,
        )
    return standing


def _audit_suspension(strike: Strike, standing: Standing) -> None:
    audit.record(
        act="actor.suspended",
        actor=SYSTEM,
        organization_id=strike.organization_id,
        subject_kind=strike.actor_kind,
        subject_id=strike.actor_id,
        facts={"points": standing.points, "until": str(standing.until)},
    )
