"""Usage from the roll-ups: the same figures for the chart, the table below it and the CSV."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Sum

from billing.models import RollupDay, UsageRollup
from governance.models import ApiKey, Project, User

GROUPS = {
    "project": "project_id",
    "key": "api_key_id",
    "member": "member_id",
    "model": "model",
    "size": "size",
    "outcome": "outcome",
}
LARGEST_GROUPS = 6


@dataclass(frozen=True)
class UsageLine:
    """One group over the whole period; µUSD."""

    label: str
    jobs: int
    images: int
    charged: int
    charged_before: int


@dataclass(frozen=True)
class Usage:
    """A period by day and group, with the period of equal length before it."""

    since: date
    until: date
    by: str
    lines: tuple[UsageLine, ...]
    # Per day: µUSD of each group in ``series``, and of the same day one period before.
    series: tuple[str, ...]
    days: tuple[tuple[date, tuple[int, ...], int], ...]
    made_at: Any

    @property
    def charged(self) -> int:
        """µUSD of the period."""
        return sum(line.charged for line in self.lines)


def usage_of(organization_id: UUID, *, since: date, until: date, by: str) -> Usage:
    """Usage of the days from ``since`` to ``until``, both included, grouped by ``by``."""
    column = GROUPS[by]
    length = (until - since).days + 1
    before = since - timedelta(days=length)
    rows = list(
        UsageRollup.objects.filter(organization_id=organization_id, day__gte=before, day__lte=until)
        .values("day", column)
        .annotate(jobs=Sum("jobs"), images=Sum("images"), charged=Sum("charged"))
        .order_by("day")
    )
    label = labeller(by, {row[column] for row in rows})
    lines = lines_of(rows, column, since, label)
    series = tuple(line.label for line in lines[:LARGEST_GROUPS])
    if len(lines) > LARGEST_GROUPS:
        series += ("others",)
    return Usage(
        since=since,
        until=until,
        by=by,
        lines=lines,
        series=series,
        days=days_of(rows, column, since, length, series, label),
        made_at=RollupDay.objects.filter(day__lte=until)
        .order_by("-day")
        .values_list("made_at", flat=True)
        .first(),
    )


def lines_of(
    rows: list[dict[str, Any]], column: str, since: date, label: Callable[[Any], str]
) -> tuple[UsageLine, ...]:
    """One line per group, the largest first."""
    sums: dict[str, list[int]] = {}
    for row in rows:
        line = sums.setdefault(label(row[column]), [0, 0, 0, 0])
        if row["day"] >= since:
            for place, name in enumerate(("jobs", "images", "charged")):
                line[place] += row[name]
        else:
            line[3] += row["charged"]
    lines = [UsageLine(name, *figures) for name, figures in sums.items() if any(figures)]
    return tuple(sorted(lines, key=lambda line: (-line.charged, -line.jobs, line.label)))


def days_of(
    rows: list[dict[str, Any]],
    column: str,
    since: date,
    length: int,
    series: tuple[str, ...],
    label: Callable[[Any], str],
) -> tuple[tuple[date, tuple[int, ...], int], ...]:
    """µUSD per day and series, and the ghost: the same day one period earlier."""
    charged: dict[tuple[date, str], int] = {}
    totals: dict[date, int] = {}
    for row in rows:
        name = label(row[column])
        name = name if name in series else "others"
        key = (row["day"], name)
        charged[key] = charged.get(key, 0) + row["charged"]
        totals[row["day"]] = totals.get(row["day"], 0) + row["charged"]
    days = [since + timedelta(days=number) for number in range(length)]
    return tuple(
        (
            day,
            tuple(charged.get((day, name), 0) for name in series),
            totals.get(day - timedelta(days=length), 0),
        )
        for day in days
    )


def labeller(by: str, values: set[Any]) -> Callable[[Any], str]:
    """Names for people: of projects, keys and members; the value itself otherwise."""
    known: dict[Any, str] = {}
    if by == "project":
        known = dict(Project.objects.filter(id__in=values).values_list("id", "name"))
    elif by == "key":
        keys = ApiKey.objects.filter(id__in=values - {None})
        known = {key.id: f"{key.name} ({key.prefix})" for key in keys}
    elif by == "member":
        known = dict(User.objects.filter(id__in=values - {None}).values_list("id", "email"))
    return lambda value: known.get(value) or (str(value) if value else "none")
