"""Reading organizations for the portal."""

from governance.kernel.errors import NotFound
from governance.models import Organization, User


def organization_by_slug(slug: str) -> Organization:
    """The organization of this slug. Raises NotFound."""
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound("There is no such organization.")
    return found


def organizations_of_person(user: User) -> list[Organization]:
    """Where the person is an active member, by name."""
    return list(
        Organization.objects.filter(
            memberships__user=user, memberships__deactivated_at=None
        ).order_by("name")
    )


def all_organizations() -> list[Organization]:
    """Every organization, by name; for the operator."""
    return list(Organization.objects.order_by("name"))
