"""Seat arithmetic: when the line was crossed, and when it will be reached."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import groupby

# A forecast further ahead says more about the method than about the organization.
HORIZON = timedelta(days=366)


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


def line_reached_on(*, used: int, per_day: float | None, limit: int, at: datetime) -> date | None:
    """The day on which more than ``limit`` seats will be used if it goes on like this.

    ``per_day`` is the slope in seats a day of the least-squares line through the daily counts. None
    where the line is crossed already, where the count does not rise, or beyond ``HORIZON``.
    """
    if per_day is None or per_day <= 0 or used > limit:
        return None
    wait = timedelta(days=min((limit + 1 - used) / per_day, HORIZON.days + 1))
    return (at + wait).date() if wait <= HORIZON else None
