"""Reading the audit log."""

from uuid import UUID

from governance.models import AuditEntry


def entries_about(subject_kind: str, subject_id: object) -> list[AuditEntry]:
    """What happened to one subject, oldest first."""
    return list(
        AuditEntry.objects.filter(subject_kind=subject_kind, subject_id=str(subject_id)).order_by(
            "id"
        )
    )


def latest_entries(organization_id: UUID | None, *, limit: int = 20) -> list[AuditEntry]:
    """The last acts in an organization (None: everywhere), newest first."""
    entries = AuditEntry.objects.all()
    if organization_id is not None:
        entries = entries.filter(organization_id=organization_id)
    return list(entries.order_by("-at", "-id")[:limit])
