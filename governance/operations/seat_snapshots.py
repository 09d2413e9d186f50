"""The daily count of seats: for the chart, the peak in the period, the forecast and the report."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction

from governance.queries.standing import standings

# The peak of a day is the highest count at any claim or release of that day, or at its beginning.
PEAKS = """
WITH events AS (
    SELECT pool_id, claimed_at AS moment, 1 AS delta FROM governance_seat WHERE claimed_at < %(end)s
    UNION ALL
    SELECT pool_id, released_at, -1 FROM governance_seat WHERE released_at < %(end)s
), merged AS (
    SELECT pool_id, GREATEST(moment, %(start)s) AS moment, sum(delta) AS delta
    FROM events GROUP BY pool_id, GREATEST(moment, %(start)s)
), running AS (
    SELECT pool_id, sum(delta) OVER (PARTITION BY pool_id ORDER BY moment) AS used FROM merged
)
SELECT pool_id, max(used) FROM running GROUP BY pool_id
"""
WRITE = """
INSERT INTO governance_seat_snapshot (id, pool_id, day, used, pending, "limit", peak)
SELECT gen_random_uuid(), pool_id, %(day)s, used, pending, seat_limit, peak
FROM unnest(%(pools)s::uuid[], %(used)s::int[], %(pending)s::int[], %(limits)s::int[],
            %(peaks)s::int[]) AS rows (pool_id, used, pending, seat_limit, peak)
ON CONFLICT (pool_id, day) DO UPDATE SET used = EXCLUDED.used, pending = EXCLUDED.pending,
    "limit" = EXCLUDED."limit", peak = GREATEST(governance_seat_snapshot.peak, EXCLUDED.peak)
"""


@transaction.atomic
def take_seat_snapshots(*, day: date, at: datetime) -> int:
    """Write the day's line of every pool; taken again on the same day, the line is brought up to date.

    Returns the number of pools.
    """
    pools = _figures(at)
    peaks = _peaks(day, at)
    order = sorted(pools)
    columns: dict[str, Any] = {
        "day": day,
        "pools": order,
        "used": [pools[pool][0] for pool in order],
        "pending": [pools[pool][1] for pool in order],
        "limits": [pools[pool][2] for pool in order],
        "peaks": [max(peaks.get(pool, 0), pools[pool][0]) for pool in order],
    }
    with connection.cursor() as cursor:
        cursor.execute(WRITE, columns)
    return len(order)


def _figures(at: datetime) -> dict[str, tuple[int, int, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, COALESCE(group_id, id) FROM governance_organization")
        pool_of = dict(cursor.fetchall())
    return {
        str(pool_of[id_]): (s.seats.used, s.seats.pending, s.seats.limit)
        for id_, s in standings(at).items()
    }


def _peaks(day: date, at: datetime) -> dict[str, int]:
    start = datetime.combine(day, time(), tzinfo=at.tzinfo)
    with connection.cursor() as cursor:
        cursor.execute(PEAKS, {"start": start, "end": start + timedelta(days=1)})
        return {str(pool): int(peak) for pool, peak in cursor.fetchall()}
