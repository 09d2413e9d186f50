"""Seats at the door: claimed under the pool's lock, so that the last one is given once."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.models import EnterpriseContract, Organization, Seat, SeatPool
from governance.operations import audit
from governance.operations.standing import refresh_standings
from governance.queries.facts import pool_id_of
from governance.queries.terms import as_terms, terms_in_force

# Sources that a customer's directory decides: they are recorded even above the line, and grace
# runs, because a directory cannot be told to wait at a door.
PROVISIONED = frozenset({"scim", "sso"})


class SeatLimitReached(DomainError):
    """Every seat of the organization's group is taken; the invitation waits."""

    code = "seat_limit_reached"
    title = "Every seat is taken"
    status = 409


@transaction.atomic
def claim_seat(
    *,
    organization: Organization,
    person: str,
    user_id: UUID | None,
    source: str,
    actor: Actor,
    at: datetime,
) -> Seat:
    """The person's seat, taken now where they have none: once per group, however often asked.

    Raises SeatLimitReached where the door is hard and the pool is full.
    """
    pool = lock_pool(pool_id_of(organization))
    seat = Seat.objects.filter(pool_id=pool.id, person=person, released_at=None).first()
    if seat is not None:
        return seat
    limit, door = limit_of(organization, at)
    if pool.used >= limit and door == "hard" and source not in PROVISIONED:
        raise SeatLimitReached(
            f"All {limit} seats are taken. The invitation waits; it can be accepted as soon as an "
            "owner or admin frees a seat.",
            seats_used=pool.used,
            seats_limit=limit,
            rule="seats",
        )
    SeatPool.objects.filter(id=pool.id).update(used=F("used") + 1)
    seat = Seat.objects.create(
        pool_id=pool.id,
        person=person,
        user_id=user_id,
        organization=organization,
        source=source,
        claimed_at=at,
    )
    _record("seat.claimed", seat, actor, {"used": pool.used + 1, "limit": limit, "source": source})
    refresh_standings(organization_ids=organizations_of(pool.id), at=at, actor=actor)
    return seat


@transaction.atomic
def release_seat(*, seat: Seat, reason: str, actor: Actor, at: datetime) -> Seat:
    """Free a seat at once. Released again, the first release stands."""
    pool = lock_pool(seat.pool_id)
    seat = Seat.objects.select_for_update().get(id=seat.id)
    if seat.released_at is not None:
        return seat
    seat.released_at = max(at, seat.claimed_at)
    seat.save(update_fields=["released_at"])
    SeatPool.objects.filter(id=pool.id).update(used=F("used") - 1)
    _record("seat.released", seat, actor, {"used": pool.used - 1, "reason": reason})
    refresh_standings(organization_ids=organizations_of(pool.id), at=at, actor=actor)
    return seat


def lock_pool(pool_id: UUID) -> SeatPool:
    """The pool's row, made where missing and locked until the transaction ends."""
    SeatPool.objects.bulk_create([SeatPool(id=pool_id)], ignore_conflicts=True)
    return SeatPool.objects.select_for_update().get(id=pool_id)


def limit_of(organization: Organization, at: datetime) -> tuple[int, str]:
    """Seats allowed now, and whether the door is hard or soft. Read under the pool's lock."""
    rule = as_terms(terms_in_force(at)).seats
    contracted = EnterpriseContract.objects.filter(
        organization_id__in=organizations_of(pool_id_of(organization)),
        starts_at__lte=at,
        ends_at__gt=at,
    ).aggregate(most=Max("seats"))["most"]
    return max(rule.limit, contracted or 0), rule.door


def organizations_of(pool_id: UUID) -> list[UUID]:
    """The organizations whose seats are counted in this pool."""
    grouped = Organization.objects.filter(group_id=pool_id).values_list("id", flat=True)
    return list(grouped) or [pool_id]


def _record(act: str, seat: Seat, actor: Actor, facts: dict[str, object]) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=seat.organization_id,
        subject_kind="seat",
        subject_id=seat.id,
        facts={"person": seat.person, **facts},
    )
