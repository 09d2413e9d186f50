"""When the licence ends: breaches, the licensor's notice, the kill switch."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.models import Breach, KillSwitch, ModelRelease, ReleaseStatus, TerminationNotice
from governance.operations import audit
from governance.operations.revocation import revoke_release
from governance.operations.standing import refresh_standings

# Section 9.2.
NOTICE_PERIOD = timedelta(days=30)


class SecondPersonNeeded(DomainError):
    """Whoever asks for something that two people must agree to cannot agree to it alone."""

    code = "second_person_needed"
    title = "A second person must agree"
    status = 409


@transaction.atomic
def record_breach(
    *,
    organization_id: UUID | None,
    clause: str,
    description: str,
    discovered_at: datetime,
    actor: Actor,
    at: datetime,
) -> Breach:
    """Put a breach on record: the licence has ended with it (9.1). None: the host's own breach.

    Not idempotent: each call is a breach of its own.
    """
    breach = Breach.objects.create(
        organization_id=organization_id,
        clause=clause,
        description=description,
        discovered_at=discovered_at,
        recorded_at=at,
        recorded_by=actor.label or actor.id,
    )
    _record("breach.recorded", "breach", breach.id, organization_id, actor, {"clause": clause})
    refresh_standings(
        organization_ids=[organization_id] if organization_id else None, at=at, actor=actor
    )
    return breach


@transaction.atomic
def record_reinstatement(*, breach_id: UUID, reference: str, actor: Actor, at: datetime) -> Breach:
    """Put the licensor's written reinstatement on record. Raises InvalidRequest, NotFound."""
    if not reference.strip():
        raise InvalidRequest("Name the licensor's letter or message.", param="reference")
    breach = Breach.objects.select_for_update().filter(id=breach_id).first()
    if breach is None:
        raise NotFound("There is no such breach.")
    if breach.reinstated_at is None:
        breach.reinstated_at, breach.reinstatement_reference = at, reference
        breach.save(update_fields=["reinstated_at", "reinstatement_reference"])
        facts: dict[str, object] = {"reference": reference}
        _record("breach.reinstated", "breach", breach.id, breach.organization_id, actor, facts)
        refresh_standings(
            organization_ids=[breach.organization_id] if breach.organization_id else None,
            at=at,
            actor=actor,
        )
    return breach


@transaction.atomic
def record_notice(
    *,
    received_at: datetime,
    release: ModelRelease | None,
    note: str,
    actor: Actor,
    at: datetime,
    ends_at: datetime | None = None,
    document_sha256: str = "",
) -> TerminationNotice:
    """Start the clock of the licensor's notice: thirty days from receipt unless it says otherwise.

    With ``release`` the notice is for that release alone. Not idempotent.
    """
    notice = TerminationNotice.objects.create(
        release=release,
        received_at=received_at,
        ends_at=ends_at or received_at + NOTICE_PERIOD,
        note=note,
        document_sha256=document_sha256,
        recorded_by=actor.label or actor.id,
    )
    facts: dict[str, object] = {
        "ends_at": notice.ends_at.isoformat(),
        "release": release.slug if release else "",
    }
    _record("notice.received", "notice", notice.id, None, actor, facts)
    if release is None:
        refresh_standings(organization_ids=None, at=at, actor=actor)
    return notice


def act_on_ended_notices(*, at: datetime) -> int:
    """Revoke every release whose own notice has run out (9.2). Safe to repeat; returns how many."""
    over = TerminationNotice.objects.filter(
        release__isnull=False, withdrawn_at=None, ends_at__lte=at
    ).exclude(release__status=ReleaseStatus.REVOKED)
    releases = sorted(set(over.values_list("release_id", flat=True)))
    for release_id in releases:
        revoke_release(
            release_id=release_id,
            reason="the licensor's notice for it has run out",
            actor=SYSTEM,
            at=at,
        )
    return len(releases)


@transaction.atomic
def withdraw_notice(*, notice_id: UUID, actor: Actor, at: datetime) -> TerminationNotice:
    """The licensor took the notice back. Withdrawn again, the first time stands."""
    notice = TerminationNotice.objects.select_for_update().get(id=notice_id)
    if notice.withdrawn_at is None:
        notice.withdrawn_at, notice.withdrawn_by = at, actor.label or actor.id
        notice.save(update_fields=["withdrawn_at", "withdrawn_by"])
        _record("notice.withdrawn", "notice", notice.id, None, actor, {})
        refresh_standings(organization_ids=None, at=at, actor=actor)
    return notice


@transaction.atomic
def engage_kill_switch(*, reason: str, actor: Actor, at: datetime) -> KillSwitch:
    """Stop all generation now; one person is enough. Engaged again, the first time stands."""
    switch = KillSwitch.objects.select_for_update().get(id=1)
    switch.release_asked_by, switch.release_asked_at = "", None
    if switch.engaged_at is None:
        switch.engaged_at, switch.engaged_by, switch.reason = at, actor.id, reason
        _record("kill_switch.engaged", "kill_switch", 1, None, actor, {"reason": reason})
    switch.save()
    return switch


@transaction.atomic
def release_kill_switch(*, actor: Actor, at: datetime) -> KillSwitch:
    """Ask to resume; when a second person asks too, generation resumes.

    Raises SecondPersonNeeded where the same person asks twice.
    """
    switch = KillSwitch.objects.select_for_update().get(id=1)
    if switch.engaged_at is None:
        return switch
    if not switch.release_asked_by:
        switch.release_asked_by, switch.release_asked_at = actor.id, at
        _record("kill_switch.release_asked", "kill_switch", 1, None, actor, {})
    elif switch.release_asked_by == actor.id:
        raise SecondPersonNeeded("You asked already. Somebody else of the operator must agree.")
    else:
        facts: dict[str, object] = {"asked_by": switch.release_asked_by}
        switch.engaged_at, switch.engaged_by, switch.reason = None, "", ""
        switch.release_asked_by, switch.release_asked_at = "", None
        _record("kill_switch.released", "kill_switch", 1, None, actor, facts)
    switch.save()
    return switch


def _record(
    act: str,
    kind: str,
    subject_id: object,
    organization_id: UUID | None,
    actor: Actor,
    facts: dict[str, object],
) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=organization_id,
        subject_kind=kind,
        subject_id=subject_id,
        facts=facts,
    )
