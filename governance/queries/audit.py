"""Reading the audit log."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from governance.kernel.errors import NotFound
from governance.models import AuditEntry


@dataclass(frozen=True)
class AuditFilter:
    """What a reader of the log asks for; empty means all. ``act`` is a beginning: "api_key."."""

    act: str = ""
    actor: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class AuditPage:
    """A page of the log, newest first; ``next_cursor`` continues it, None at the end."""

    rows: tuple[AuditEntry, ...]
    next_cursor: str | None


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


def audit_page(
    organization_id: UUID | None,
    wanted: AuditFilter,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> AuditPage:
    """Entries of an organization (None: everywhere), newest first. Raises NotFound for a bad cursor."""
    rows = AuditEntry.objects.filter(matching(wanted))
    if organization_id is not None:
        rows = rows.filter(organization_id=organization_id)
    if cursor:
        rows = rows.filter(after(cursor))
    found = list(rows.order_by("-at", "-id")[: limit + 1])
    shown = tuple(found[:limit])
    following = f"{shown[-1].at.isoformat()}_{shown[-1].id}" if len(found) > limit else None
    return AuditPage(shown, following)


def matching(wanted: AuditFilter) -> Q:
    """The filter as a condition."""
    condition = Q()
    if wanted.act:
        condition &= Q(act__startswith=wanted.act)
    if wanted.actor:
        condition &= Q(actor_label__icontains=wanted.actor) | Q(actor_id=wanted.actor)
    if wanted.subject:
        condition &= Q(subject_id=wanted.subject)
    if wanted.since is not None:
        condition &= Q(at__gte=wanted.since)
    if wanted.until is not None:
        condition &= Q(at__lt=wanted.until)
    return condition


def after(cursor: str) -> Q:
    """Everything older than the entry that the cursor names."""
    moment, _, entry = cursor.partition("_")
    try:
        at, last = datetime.fromisoformat(moment), UUID(entry)
    except ValueError as error:
        raise NotFound(
            "This page address is not valid. Start again from the first page."
        ) from error
    return Q(at__lt=at) | Q(at=at, id__lt=last)
