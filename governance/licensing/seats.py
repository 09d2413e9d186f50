"""Seat arithmetic: when the line was crossed, and when it will be reached."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby


def crossed_at(events: Iterable[tuple[datetime, int]], limit: int) -> datetime | None:
    """Since when more than ``limit`` seats are held without a break; None where they are not.

    ``events`` are claims (+1) and releases (-1) in any order; those of one moment count together,
    so that a seat that changes hands is no crossing.
    """
    used = 0
    since: datetime | None = None
    ordered = sorted(events)
    for moment, group in groupby(ordered, key=lambda event: event[0]):
        used += sum(delta for _, delta in group)
        if used <= limit:
            since = None
        elif since is None:
            since = moment
    return since


def forecast(history: Sequence[tuple[datetime, int]], *, limit: int) -> datetime | None:
    """The moment at which more than ``limit`` seats will be used, or None where none is in sight.

    Least squares over ``history`` (moment, seats used), at least two days of it; a line that does
    not rise, or that arrives after more than a year, is no forecast.
    """
    if len(history) < 2:  # noqa: PLR2004 (a line needs two points)
        return None
    first = history[0][0]
    days = [(moment - first) / timedelta(days=1) for moment, _ in history]
    used = [count for _, count in history]
    mean_day, mean_used = sum(days) / len(days), sum(used) / len(used)
    spread = sum((day - mean_day) ** 2 for day in days)
    if spread == 0 or used[-1] > limit:
        return None
    slope = sum((d - mean_day) * (u - mean_used) for d, u in zip(days, used, strict=True)) / spread
    if slope <= 0:
        return None
    wait = max((limit + 1 - used[-1]) / slope, 0)
    return history[-1][0] + timedelta(days=wait) if wait <= 366 else None  # noqa: PLR2004
