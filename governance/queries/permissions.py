"""What each role may do, in one table. Operator staff stand apart: they are in no organization."""

from enum import StrEnum
from uuid import UUID

from governance.models import Membership, Role, User


class Permission(StrEnum):
    """Something that a page or an address of the portal asks for."""

    VIEW = "view"
    GENERATE = "generate"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_KEYS = "manage_keys"
    MANAGE_BILLING = "manage_billing"
    VIEW_BILLING = "view_billing"
    SIGN = "sign"
    TRANSFER = "transfer"
    MANAGE_IDENTITY = "manage_identity"
    VIEW_AUDIT = "view_audit"
    EXPORT = "export"
    VIEW_IMAGES = "view_images"


P = Permission
_EVERYTHING = frozenset(Permission)
# Signing (acceptance, attestation) and handing over ownership bind the organization: owners only.
# Top-ups are by owners and billing people. An auditor reads everything, changes nothing, and sees
# images only when granted.
TABLE: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _EVERYTHING,
    Role.ADMIN: frozenset(
        {
            P.VIEW,
            P.GENERATE,
            P.MANAGE_MEMBERS,
            P.MANAGE_KEYS,
            P.VIEW_BILLING,
            P.MANAGE_IDENTITY,
            P.VIEW_AUDIT,
            P.EXPORT,
            P.VIEW_IMAGES,
        }
    ),
    Role.MEMBER: frozenset({P.VIEW, P.GENERATE, P.MANAGE_KEYS, P.VIEW_IMAGES}),
    Role.BILLING: frozenset({P.VIEW, P.VIEW_BILLING, P.MANAGE_BILLING, P.EXPORT}),
    Role.AUDITOR: frozenset({P.VIEW, P.VIEW_BILLING, P.VIEW_AUDIT, P.EXPORT}),
}
# What the operator's people may do in any organization: look and export, never act for it.
OPERATOR: frozenset[Permission] = frozenset(
    {P.VIEW, P.VIEW_BILLING, P.VIEW_AUDIT, P.EXPORT, P.VIEW_IMAGES}
)


def role_in(user: User, organization_id: UUID) -> Role | None:
    """The person's role in the organization, or None for who is no active member."""
    role = (
        Membership.objects.filter(
            user=user, organization_id=organization_id, deactivated_at=None, user__is_active=True
        )
        .values_list("role", flat=True)
        .first()
    )
    return Role(role) if role else None


def permissions_of(user: User, organization_id: UUID) -> frozenset[Permission]:
    """Everything that the person may do there; empty means that it does not exist for them."""
    return permissions_as(user, role_in(user, organization_id))


def permissions_as(user: User, role: Role | None) -> frozenset[Permission]:
    """Everything that the person may do where this is their role."""
    own = TABLE[role] if role else frozenset()
    return own | OPERATOR if user.is_staff and user.is_active else own


def may_grant(granter: Role, role: Role) -> bool:
    """Whether ``granter`` may give ``role`` to somebody: only an owner makes owners."""
    return P.MANAGE_MEMBERS in TABLE[granter] and (role != Role.OWNER or granter == Role.OWNER)


def may_change(changer: Role, present: Role) -> bool:
    """Whether ``changer`` may touch somebody who is ``present``: owners answer to owners only."""
    return P.MANAGE_MEMBERS in TABLE[changer] and (present != Role.OWNER or changer == Role.OWNER)
