"""End users whom API requests name: they hold seats where the operator's policy counts them."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from governance.models import Organization, Seat, SeatPool, User
from governance.operations import audit
from governance.operations.seats import SeatLimitReached, claim_seat, lock_pool, organizations_of
from governance.operations.standing import refresh_standings
from governance.queries.facts import pool_id_of
from governance.queries.terms import as_terms, terms_in_force

# How exact the last activity is: a busy end user costs one write in this time, not one a request.
ACTIVITY_GRAIN = timedelta(hours=1)


class EndUserHasNoSeat(DomainError):
    """The request names an end user for whom no seat is left."""

    code = "end_user_without_seat"
    title = "No seat is left for this end user"
    status = 403


def claim_end_user_seat(
    *, organization_id: UUID, end_user: str, actor: Actor, at: datetime
) -> Seat | None:
    """The seat of an end user whom an API request names, where the organization counts them.

    A member's own address is that member's seat; anybody else is known by a hash only. Asked again
    for the same person, the seat they hold is returned, without a lock. Raises EndUserHasNoSeat.
    """
    organization = Organization.objects.get(id=organization_id)
    if not organization.counts_end_users or not end_user:
        return None
    member = User.objects.filter(
        email__iexact=end_user, memberships__organization=organization
    ).first()
    person = f"user:{member.id}" if member else f"end_user:{sha256_hex(end_user.encode())}"
    seat = _held(organization, person, at)
    if seat is not None:
        return seat
    try:
        return claim_seat(
            organization=organization,
            person=person,
            user_id=member.id if member else None,
            source="api",
            actor=actor,
            at=at,
        )
    except SeatLimitReached as full:
        raise _refusal(organization, full, at) from full


@transaction.atomic
def set_end_user_policy(
    *, organization_id: UUID, counted: bool, actor: Actor, at: datetime
) -> Organization:
    """Decide whether end users hold seats. Set to no, the seats that they held are free at once.

    Set again to the same, nothing happens.
    """
    organization = Organization.objects.get(id=organization_id)
    lock_pool(pool_id_of(organization))
    organization = Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    if organization.counts_end_users == counted:
        return organization
    organization.counts_end_users = counted
    organization.save(update_fields=["counts_end_users"])
    freed = 0 if counted else _free(organization, Q(), at)
    _record("organization.end_user_policy_set", organization, actor, counted=counted, freed=freed)
    refresh_standings(
        organization_ids=organizations_of(pool_id_of(organization)), at=at, actor=actor
    )
    return organization


@transaction.atomic
def reclaim_end_user_seats(
    *, organization_id: UUID, seat_ids: list[UUID], actor: Actor, at: datetime
) -> int:
    """Free these end users' seats; whoever asks again takes one again. Returns how many were freed."""
    organization = Organization.objects.get(id=organization_id)
    lock_pool(pool_id_of(organization))
    freed = _free(organization, Q(id__in=seat_ids), at)
    if freed:
        _record("end_users.reclaimed", organization, actor, freed=freed)
        refresh_standings(
            organization_ids=organizations_of(pool_id_of(organization)), at=at, actor=actor
        )
    return freed


def _held(organization: Organization, person: str, at: datetime) -> Seat | None:
    pool_id = pool_id_of(organization)
    seat = Seat.objects.filter(pool_id=pool_id, person=person, released_at=None).first()
    if seat is not None and (seat.last_active_at or seat.claimed_at) < at - ACTIVITY_GRAIN:
        Seat.objects.filter(id=seat.id).update(last_active_at=at)
    return seat


def _free(organization: Organization, which: Q, at: datetime) -> int:
    """Release end users' seats of the organization under the pool's lock; returns how many."""
    pool_id = pool_id_of(organization)
    held = Seat.objects.filter(which, pool_id=pool_id, organization=organization, released_at=None)
    freed = held.filter(user=None, claimed_at__lte=at).update(released_at=at)
    SeatPool.objects.filter(id=pool_id).update(used=F("used") - freed)
    return freed


def _refusal(organization: Organization, full: SeatLimitReached, at: datetime) -> EndUserHasNoSeat:
    version = terms_in_force(at)
    rule = as_terms(version).seats
    used, limit = full.facts["seats_used"], full.facts["seats_limit"]
    return EndUserHasNoSeat(
        f"{used} seats are used and {limit} are allowed, so this end user gets none. "
        f"{rule.next_step}",
        rule=rule.id,
        terms_version=version.label,
        source=rule.source,
        citation=rule.citation,
        fact=f"{used} seats are used and {limit} are allowed",
        next_step=rule.next_step,
        param="user",
        url=f"{settings.PUBLIC_URL}/o/{organization.slug}/seats/",
    )


def _record(act: str, organization: Organization, actor: Actor, **facts: object) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=organization.id,
        subject_kind="organization",
        subject_id=organization.id,
        facts=facts,
    )
