"""Reading appeals, reports and removals."""

from datetime import datetime
from uuid import UUID

from moderation.models import Appeal, Removal, UserReport

PAGE = 100


def overdue_removals(*, at: datetime) -> list[Removal]:
    """Open removals past their 48 hours, the latest one first."""
    return list(Removal.objects.filter(state="open", due_at__lte=at).order_by("due_at"))


def open_removals() -> list[Removal]:
    """Removals whose clock runs, the most pressing first."""
    return list(Removal.objects.filter(state="open").order_by("due_at")[:PAGE])


def appeals_of_organization(organization_id: UUID) -> list[Appeal]:
    """A tenant's own appeals, newest first."""
    found = Appeal.objects.filter(organization_id=organization_id).select_related("decision")
    return list(found.order_by("-opened_at")[:PAGE])


def reports_inbox() -> list[UserReport]:
    """User reports, newest first, with their cases."""
    return list(UserReport.objects.select_related("case", "public").order_by("-at")[:PAGE])
