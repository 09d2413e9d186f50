"""Reading API keys for people: never the secret, which nobody can read."""

from datetime import datetime
from uuid import UUID

from governance.kernel.errors import NotFound
from governance.models import ApiKey, Project


def keys_of(organization_id: UUID) -> list[ApiKey]:
    """The organization's keys: those in use first, then by age, newest first. One query."""
    rows = ApiKey.objects.filter(organization_id=organization_id).select_related(
        "project", "created_by"
    )
    return sorted(rows.order_by("-created_at"), key=lambda key: key.revoked_at is not None)


def key_of(organization_id: UUID, key_id: UUID) -> ApiKey:
    """One key of this organization. Raises NotFound, also for another tenant's."""
    found = (
        ApiKey.objects.filter(organization_id=organization_id, id=key_id)
        .select_related("project")
        .first()
    )
    if found is None:
        raise NotFound("There is no such key.")
    return found


def key_state(key: ApiKey, *, at: datetime) -> str:
    """What a caller with this key meets at ``at``: active, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= at else "active"


def projects_of(organization_id: UUID) -> list[Project]:
    """The organization's projects, oldest first: the first one is the default."""
    return list(Project.objects.filter(organization_id=organization_id).order_by("created_at"))
