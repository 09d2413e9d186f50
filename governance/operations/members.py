"""Leaving, changing roles, handing over ownership; the last owner stays."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.models import Membership, Organization, Role, Seat
from governance.operations import audit
from governance.operations.seats import lock_pool, release_seat
from governance.queries.facts import pool_id_of


class LastOwner(DomainError):
    """An organization always has an owner: the last one neither leaves nor becomes less."""

    code = "last_owner"
    title = "The last owner cannot be removed"
    status = 409


@transaction.atomic
def remove_member(
    *, organization_id: UUID, user_id: UUID, reason: str, actor: Actor, at: datetime
) -> Membership:
    """End a membership; the seat is free at once unless another organization of the group counts it.

    Removed again, the first removal stands. Raises NotFound, LastOwner.
    """
    organization = Organization.objects.get(id=organization_id)
    lock_pool(pool_id_of(organization))
    membership = _membership(organization_id, user_id)
    if membership.deactivated_at is not None:
        return membership
    _require_other_owner(membership)
    membership.deactivated_at = at
    membership.save(update_fields=["deactivated_at"])
    _record("member.removed", membership, actor, {"reason": reason})
    _release_unless_needed(organization, user_id, reason, actor, at)
    return membership


@transaction.atomic
def change_role(*, organization_id: UUID, user_id: UUID, role: Role, actor: Actor) -> Membership:
    """Give a member another role. Raises NotFound, LastOwner."""
    lock_pool(pool_id_of(Organization.objects.get(id=organization_id)))
    membership = _membership(organization_id, user_id)
    if membership.role == role:
        return membership
    if role != Role.OWNER:
        _require_other_owner(membership)
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    _record("member.role_changed", membership, actor, {"before": before, "after": role})
    return membership


@transaction.atomic
def transfer_ownership(
    *, organization_id: UUID, from_user_id: UUID, to_user_id: UUID, actor: Actor
) -> Membership:
    """Make another member owner and the present one an admin, both or neither. Raises NotFound."""
    giver = _membership(organization_id, from_user_id)
    if giver.role != Role.OWNER:
        raise NotFound("Only an owner hands ownership over.")
    change_role(organization_id=organization_id, user_id=to_user_id, role=Role.OWNER, actor=actor)
    return change_role(
        organization_id=organization_id, user_id=from_user_id, role=Role.ADMIN, actor=actor
    )


@transaction.atomic
def reclaim_seats(
    *, organization_id: UUID, user_ids: list[UUID], actor: Actor, at: datetime
) -> list[Membership]:
    """Remove these members because they are inactive. Raises NotFound, LastOwner for the first bad one."""
    return [
        remove_member(
            organization_id=organization_id, user_id=id_, reason="reclaimed", actor=actor, at=at
        )
        for id_ in sorted(user_ids)
    ]


def _membership(organization_id: UUID, user_id: UUID) -> Membership:
    membership = (
        Membership.objects.select_for_update()
        .select_related("user")
        .filter(organization_id=organization_id, user_id=user_id)
        .first()
    )
    if membership is None:
        raise NotFound("There is no such member.")
    return membership


def _require_other_owner(membership: Membership) -> None:
    if membership.role != Role.OWNER:
        return
    owners = Membership.objects.filter(
        organization_id=membership.organization_id,
        role=Role.OWNER,
        deactivated_at=None,
        user__is_active=True,
    )
    if not owners.exclude(id=membership.id).exists():
        raise LastOwner("This is the last owner. Hand the ownership over first.")


def _release_unless_needed(
    organization: Organization, user_id: UUID, reason: str, actor: Actor, at: datetime
) -> None:
    elsewhere = Membership.objects.filter(user_id=user_id, deactivated_at=None).exclude(
        organization=organization
    )
    group = organization.group_id
    if group is not None and elsewhere.filter(organization__group_id=group).exists():
        return
    seat = Seat.objects.filter(
        pool_id=pool_id_of(organization), person=f"user:{user_id}", released_at=None
    ).first()
    if seat is not None:
        release_seat(seat=seat, reason=reason, actor=actor, at=at)


def _record(act: str, membership: Membership, actor: Actor, facts: dict[str, object]) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=membership.organization_id,
        subject_kind="person",
        subject_id=membership.user_id,
        facts={"role": membership.role, **facts},
    )
