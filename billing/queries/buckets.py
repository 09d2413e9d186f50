"""Usage by minute, hour or day, straight from holds and journal: the same rows as the roll-ups."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

# What may be grouped and filtered by, as columns of the usage below.
COLUMNS = {
    "project_id": "project_id::text",
    "user_id": "member_id::text",
    "api_key_id": "api_key_id::text",
    "model": "model",
    "size": "size",
    "line_item": "model || ', ' || size",
}
# As in the roll-ups: a charge counts when the journal booked it, what cost nothing when it ended.
USAGE = """
SELECT h.project_id, h.api_key_id, h.member_id, t.booked_at AS at, h.captured AS charged,
       h.captured / h.per_image AS images, coalesce(h.quote #>> '{{priced,release}}', '') AS model,
       coalesce((h.quote #>> '{{priced,width}}') || 'x' || (h.quote #>> '{{priced,height}}'), '') AS size
FROM billing_ledger_transaction t JOIN billing_hold h ON h.id = t.external_reference::uuid
WHERE t.kind = 'capture' AND t.organization_id = %(organization)s
  AND t.booked_at >= %(since)s AND t.booked_at < %(until)s
UNION ALL
SELECT h.project_id, h.api_key_id, h.member_id, h.resolved_at, 0, 0,
       coalesce(h.quote #>> '{{priced,release}}', ''),
       coalesce((h.quote #>> '{{priced,width}}') || 'x' || (h.quote #>> '{{priced,height}}'), '')
FROM billing_hold h
WHERE h.organization_id = %(organization)s AND h.captured = 0
  AND h.resolved_at >= %(since)s AND h.resolved_at < %(until)s
"""
QUESTION = """
SELECT date_bin(%(width)s, at, %(since)s) AS bucket, {columns} count(*) AS requests,
       sum(images)::bigint AS images, sum(charged)::bigint AS charged
FROM ({usage}) usage WHERE true {filters}
GROUP BY {groups} ORDER BY {groups}
"""


@dataclass(frozen=True)
class BucketRow:
    """One group in one bucket; ``charged`` in µUSD."""

    groups: Mapping[str, str | None]
    requests: int
    images: int
    charged: int


@dataclass(frozen=True)
class Bucket:
    """From ``start`` up to, not including, ``end``."""

    start: datetime
    end: datetime
    rows: tuple[BucketRow, ...]


@dataclass(frozen=True)
class UsageQuestion:
    """What is asked: buckets from ``since``, grouped by names of COLUMNS, filtered by their values."""

    since: datetime
    width: timedelta
    buckets: int
    group_by: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)


def usage_buckets(organization_id: UUID, question: UsageQuestion) -> tuple[Bucket, ...]:
    """Every bucket in order, the empty ones too. One query over the range."""
    until = question.since + question.buckets * question.width
    values: dict[str, Any] = {
        "organization": organization_id,
        "since": question.since,
        "until": until,
        "width": question.width,
    }
    conditions = ""
    for name, wanted in question.filters.items():
        conditions += f" AND {COLUMNS[name]} = ANY(%(only_{name})s)"
        values[f"only_{name}"] = list(wanted)
    # Only names of COLUMNS come into the text; every value is a parameter.
    statement = QUESTION.format(
        columns="".join(f"{COLUMNS[name]} AS {name}_, " for name in question.group_by),
        usage=USAGE.format(),
        filters=conditions,
        groups=", ".join(["bucket", *(f"{name}_" for name in question.group_by)]),
    )
    found: dict[datetime, list[BucketRow]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        for bucket, *groups, requests, images, charged in cursor.fetchall():
            named = dict(zip(question.group_by, groups, strict=True))
            found[bucket].append(BucketRow(named, requests, images, charged))
    starts = [question.since + number * question.width for number in range(question.buckets)]
    return tuple(
        Bucket(start, start + question.width, tuple(found.get(start, ()))) for start in starts
    )


def charged_between(organization_id: UUID, *, since: datetime, until: datetime) -> int:
    """µUSD that the journal booked in the range."""
    (bucket,) = usage_buckets(organization_id, UsageQuestion(since, until - since, 1))
    return sum(row.charged for row in bucket.rows)
