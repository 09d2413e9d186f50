"""The audit log by pages, as an administrator's client reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from governance.kernel.errors import NotFound
from governance.models import AuditEntry
from governance.queries.directory import Rows


@dataclass(frozen=True)
class LogFilter:
    """What is asked for; empty means all. ``bounds`` by gt, gte, lt, lte."""

    acts: tuple[str, ...] = ()
    actor_ids: tuple[str, ...] = ()
    actor_labels: tuple[str, ...] = ()
    subject_ids: tuple[str, ...] = ()
    bounds: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def condition(self) -> Q:
        """The filter for the database."""
        named = {
            "act__in": self.acts,
            "actor_id__in": self.actor_ids,
            "actor_label__in": self.actor_labels,
            "subject_id__in": self.subject_ids,
        }
        found = {name: values for name, values in named.items() if values}
        return Q(**found, **{f"at__{bound}": moment for bound, moment in self.bounds.items()})


def audit_log(
    organization_id: UUID,
    wanted: LogFilter,
    *,
    after: UUID | None,
    before: UUID | None,
    limit: int,
) -> Rows[AuditEntry]:
    """A page, newest first: older than ``after``, or the nearest that are newer than ``before``.

    Raises NotFound for an entry of others.
    """
    rows = AuditEntry.objects.filter(wanted.condition, organization_id=organization_id)
    if before is not None:
        at, last = _place(organization_id, before)
        newer = rows.filter(Q(at__gt=at) | Q(at=at, id__gt=last)).order_by("at", "id")
        found = list(newer[: limit + 1])
        return Rows(tuple(reversed(found[:limit])), len(found) > limit)
    if after is not None:
        at, last = _place(organization_id, after)
        rows = rows.filter(Q(at__lt=at) | Q(at=at, id__lt=last))
    found = list(rows.order_by("-at", "-id")[: limit + 1])
    return Rows(tuple(found[:limit]), len(found) > limit)


def _place(organization_id: UUID, entry_id: UUID) -> tuple[datetime, UUID]:
    entry = AuditEntry.objects.filter(organization_id=organization_id, id=entry_id).first()
    if entry is None:
        raise NotFound("There is no such entry to go on from.")
    return entry.at, entry.id
