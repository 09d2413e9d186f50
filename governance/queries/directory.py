"""Members, invitations, projects and keys by pages, as an administrator's client reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Max, Model, Q, QuerySet

from governance.kernel.errors import NotFound
from governance.models import ApiKey, Invitation, Membership, Project

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Rows(Generic[M]):
    """A page in the order of the ids, and whether there are more."""

    rows: tuple[M, ...]
    has_more: bool


def members_page(
    organization_id: UUID, *, after: UUID | None, limit: int, emails: Sequence[str] = ()
) -> Rows[Membership]:
    """Active members by their person's id; ``emails`` narrows it."""
    rows = active_members(organization_id)
    if emails:
        rows = rows.filter(user__email__in=[email.lower() for email in emails])
    return _page(rows, "user_id", after, limit)


def member_of(organization_id: UUID, user_id: UUID) -> Membership:
    """One active member. Raises NotFound, also for another tenant's."""
    return _one(active_members(organization_id), "member", user_id=user_id)


def active_members(organization_id: UUID) -> QuerySet[Membership]:
    """Members with their person, and when a key that they made was last used."""
    own_keys = Q(user__api_keys_made__organization_id=organization_id)
    return (
        Membership.objects.filter(organization_id=organization_id, deactivated_at=None)
        .select_related("user")
        .annotate(key_used_at=Max("user__api_keys_made__last_used_at", filter=own_keys))
    )


def invitations_page(organization_id: UUID, *, after: UUID | None, limit: int) -> Rows[Invitation]:
    """Invitations that were not withdrawn."""
    return _page(_invitations(organization_id), "id", after, limit)


def invitation_of(organization_id: UUID, invitation_id: UUID) -> Invitation:
    """One invitation. Raises NotFound."""
    return _one(_invitations(organization_id), "invitation", id=invitation_id)


def _invitations(organization_id: UUID) -> QuerySet[Invitation]:
    return Invitation.objects.filter(organization_id=organization_id, revoked_at=None)


def projects_page(
    organization_id: UUID, *, after: UUID | None, limit: int, include_archived: bool = False
) -> Rows[Project]:
    """Projects, the archived ones where asked for."""
    rows = Project.objects.filter(organization_id=organization_id)
    return _page(rows if include_archived else rows.filter(archived_at=None), "id", after, limit)


def project_of(organization_id: UUID, project_id: UUID) -> Project:
    """One project. Raises NotFound."""
    return _one(Project.objects.filter(organization_id=organization_id), "project", id=project_id)


def project_keys_page(
    organization_id: UUID, project_id: UUID, *, after: UUID | None, limit: int
) -> Rows[ApiKey]:
    """Keys of a project that were not revoked. Raises NotFound for a project of others."""
    project_of(organization_id, project_id)
    return _page(_project_keys(organization_id, project_id), "id", after, limit)


def project_key_of(organization_id: UUID, project_id: UUID, key_id: UUID) -> ApiKey:
    """One key of the project. Raises NotFound."""
    return _one(_project_keys(organization_id, project_id), "key", id=key_id)


def _project_keys(organization_id: UUID, project_id: UUID) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(
        organization_id=organization_id, project_id=project_id, revoked_at=None
    ).select_related("created_by")


def _page(rows: QuerySet[M], key: str, after: UUID | None, limit: int) -> Rows[M]:
    if after is not None:
        rows = rows.filter(**{f"{key}__gt": after})
    found = list(rows.order_by(key)[: limit + 1])
    return Rows(tuple(found[:limit]), len(found) > limit)


def _one(rows: QuerySet[M], what: str, **which: Any) -> M:
    found = rows.filter(**which).first()
    if found is None:
        raise NotFound(f"There is no such {what}.")
    return found
