"""Reading organizations for the portal."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from governance.kernel.errors import NotFound
from governance.kernel.tenancy import privileged
from governance.models import Organization, Project, User


def organization_by_slug(slug: str) -> Organization:
    """The organization of this slug. Raises NotFound."""
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound("There is no such organization.")
    return found


@privileged()
def organizations_of_person(user: User) -> list[Organization]:
    """Where the person is an active member, by name."""
    return list(
        Organization.objects.filter(
            memberships__user=user, memberships__deactivated_at=None
        ).order_by("name")
    )


def organization_names(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """The names of these organizations."""
    known = {id_ for id_ in ids if id_ is not None}
    return dict(Organization.objects.filter(id__in=known).values_list("id", "name"))


def organizations_named(words: str, *, user: User, limit: int = 8) -> list[Organization]:
    """Organizations that the person may open whose name or slug holds ``words``, by name."""
    rows = Organization.objects.filter(Q(name__icontains=words) | Q(slug__icontains=words))
    if not user.is_staff:
        rows = rows.filter(memberships__user=user, memberships__deactivated_at=None)
    return list(rows.order_by("name")[:limit])


def default_project(organization_id: UUID) -> Project:
    """The organization's first project, which work without a key belongs to. Raises NotFound."""
    found = Project.objects.filter(organization_id=organization_id).order_by("created_at").first()
    if found is None:
        raise NotFound("The organization has no project.")
    return found
