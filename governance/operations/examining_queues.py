"""An examination that many parts share: how long the first of a queue waits."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from governance.kernel.diagnosis import Diagnosis, by_age, fine


def by_oldest(
    waiting: QuerySet[Any],
    since: str,
    at: datetime,
    *,
    none: str,
    what: str,
    warn_s: float,
    broken_s: float,
    remedy: str,
) -> Diagnosis:
    """The age of the row that has waited longest by the column ``since``, and how many wait.

    ``none`` is said of an empty queue, ``what`` names the waiting: "letters wait".
    """
    oldest = waiting.order_by(since).values_list(since, flat=True).first()
    if oldest is None:
        return fine(none)
    return by_age(
        (at - oldest).total_seconds(),
        f"{waiting.count()} {what}, the oldest",
        warn_s=warn_s,
        broken_s=broken_s,
        remedy=remedy,
    )
