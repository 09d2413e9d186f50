"""Which time a report covers, and which checkpoint closes it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from governance.kernel.errors import InvalidRequest
from governance.models import AuditCheckpoint
from governance.operations.audit_tree import publish_checkpoint, sequence_entries
from governance.operations.audit_verification import LONGEST_TRANSACTION

DECEMBER = 12
# A report on a month that still runs ends here before now: what is in flight is not counted.
IN_FLIGHT = timedelta(minutes=1)


@dataclass(frozen=True)
class Period:
    """``label`` as it was asked for; closed once no entry can be dated into it any more."""

    label: str
    starts_at: datetime
    ends_at: datetime
    closed: bool


def period_of(label: str, *, at: datetime) -> Period:
    """A month (2026-10), a quarter (2026-Q4) or a year (2026), UTC. Raises InvalidRequest."""
    starts_at, months = _parsed(label)
    ends_at = _months_later(starts_at, months)
    if starts_at >= at - IN_FLIGHT:
        raise InvalidRequest(f"{label} has not begun.", param="period")
    closed = ends_at + LONGEST_TRANSACTION <= at
    return Period(label, starts_at, ends_at if closed else min(ends_at, at - IN_FLIGHT), closed)


def _parsed(label: str) -> tuple[datetime, int]:
    year, _, part = label.partition("-")
    try:
        if not part:
            return datetime(int(year), 1, 1, tzinfo=UTC), DECEMBER
        if part.startswith("Q"):
            return datetime(int(year), 3 * int(part[1:]) - 2, 1, tzinfo=UTC), 3
        return datetime(int(year), int(part), 1, tzinfo=UTC), 1
    except ValueError as error:
        raise InvalidRequest(
            f"{label!r} is no period. Write a month as 2026-10, a quarter as 2026-Q4 or a year as 2026.",
            param="period",
        ) from error


def _months_later(moment: datetime, months: int) -> datetime:
    years, month = divmod(moment.month - 1 + months, DECEMBER)
    return moment.replace(year=moment.year + years, month=month + 1)


def closing_checkpoint(period: Period, *, at: datetime) -> AuditCheckpoint:
    """The first checkpoint that covers every entry of the period; signed now where there is none.

    For a closed period it is always the same one, so that the report's bytes are. Who asks for a
    report has left an entry of that, so there is always something new to sign.
    """
    if period.closed:
        settled = period.ends_at + LONGEST_TRANSACTION
        found = AuditCheckpoint.objects.filter(at__gte=settled).order_by("at", "size").first()
        if found is not None:
            return found
    sequence_entries()
    publish_checkpoint(at=at)
    latest = AuditCheckpoint.objects.order_by("-size").first()
    if latest is None:
        raise InvalidRequest("The log is empty: there is nothing to report on.", param="period")
    return latest
