"""Control groups: organizations under common ownership or control count together."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from governance.kernel.actors import Actor
from governance.models import ControlGroup, Membership, Organization, Seat, SeatPool
from governance.operations import audit
from governance.operations.seats import lock_pool, organizations_of
from governance.operations.standing import refresh_standings
from governance.queries.facts import pool_id_of


@transaction.atomic
def join_group(
    *, group: ControlGroup, organization_ids: list[UUID], actor: Actor, at: datetime
) -> ControlGroup:
    """Put organizations under common control: their seats move into the group's pool.

    Nobody loses a seat, so the line may be crossed; then grace runs. A person who held a seat in
    two of them holds one. Joined again, the first joining stands.
    """
    organizations = list(Organization.objects.filter(id__in=organization_ids).order_by("id"))
    for pool_id in sorted({group.id, *(pool_id_of(o) for o in organizations)}):
        lock_pool(pool_id)
    for organization in organizations:
        if organization.group_id == group.id:
            continue
        _move_seats(organization, pool_id_of(organization), group.id, at)
        organization.group = group
        organization.joined_group_at = at
        organization.save(update_fields=["group", "joined_group_at"])
        _record("group.joined", organization, group, actor)
    refresh_standings(organization_ids=organizations_of(group.id), at=at, actor=actor)
    return group


@transaction.atomic
def leave_group(*, organization_id: UUID, actor: Actor, at: datetime) -> Organization:
    """End the common control of one organization: its people's seats move to its own pool."""
    organization = Organization.objects.get(id=organization_id)
    group = organization.group
    if group is None:
        return organization
    for pool_id in sorted({group.id, organization.id}):
        lock_pool(pool_id)
    organization.group, organization.joined_group_at = None, None
    organization.save(update_fields=["group", "joined_group_at"])
    _split_seats(organization, group.id, at)
    _record("group.left", organization, group, actor)
    affected = [organization.id, *organizations_of(group.id)]
    refresh_standings(organization_ids=_existing(affected), at=at, actor=actor)
    return organization


def _existing(ids: list[UUID]) -> list[UUID]:
    return list(Organization.objects.filter(id__in=ids).values_list("id", flat=True))


def _move_seats(organization: Organization, source: UUID, target: UUID, at: datetime) -> None:
    """Close the seats in the old pool and open them in the new one, where not held already."""
    seats = list(Seat.objects.filter(pool_id=source, released_at=None))
    if source != organization.id:
        seats = [seat for seat in seats if seat.organization_id == organization.id]
    held = set(
        Seat.objects.filter(pool_id=target, released_at=None).values_list("person", flat=True)
    )
    _transfer(seats, source, target, held, organization, at)


def _split_seats(organization: Organization, source: UUID, at: datetime) -> None:
    """Each of the organization's people gets a seat of its own pool; the group keeps who it needs."""
    people = set(
        organization.memberships.filter(deactivated_at=None).values_list("user_id", flat=True)
    )
    needed = set(
        Membership.objects.filter(organization__group_id=source, deactivated_at=None).values_list(
            "user_id", flat=True
        )
    )
    seats = list(Seat.objects.filter(pool_id=source, released_at=None, user_id__in=people))
    leaving = [seat for seat in seats if seat.user_id not in needed]
    staying = [seat for seat in seats if seat.user_id in needed]
    _transfer(leaving, source, organization.id, set(), organization, at)
    _open(staying, organization.id, organization, at)


def _transfer(
    seats: list[Seat],
    source: UUID,
    target: UUID,
    held: set[str],
    organization: Organization,
    at: datetime,
) -> None:
    Seat.objects.filter(id__in=[seat.id for seat in seats]).update(released_at=at)
    SeatPool.objects.filter(id=source).update(used=F("used") - len(seats))
    _open([seat for seat in seats if seat.person not in held], target, organization, at)


def _open(seats: list[Seat], target: UUID, organization: Organization, at: datetime) -> None:
    Seat.objects.bulk_create(
        Seat(
            pool_id=target,
            person=seat.person,
            user_id=seat.user_id,
            organization=organization,
            source=seat.source,
            claimed_at=at,
        )
        for seat in seats
    )
    SeatPool.objects.filter(id=target).update(used=F("used") + len(seats))


def _record(act: str, organization: Organization, group: ControlGroup, actor: Actor) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=organization.id,
        subject_kind="control_group",
        subject_id=group.id,
        facts={"organization": organization.slug, "group": group.name},
    )
