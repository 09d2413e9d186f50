"""Making usage by day from holds and journal; a day may be made again at any time."""

from datetime import UTC, date, datetime, timedelta

from django.db import connection, transaction

from billing.models import RollupDay

# A charge belongs to the day that the journal booked it; what cost nothing, to the day that it ended.
ROLL_UP = """
INSERT INTO billing_usage_rollup (organization_id, day, project_id, api_key_id, member_id, model, size,
    outcome, jobs, images, charged)
SELECT organization_id, %(day)s, project_id, api_key_id, member_id, model, size, outcome, count(*),
    sum(images), sum(captured)
FROM (
    SELECT h.organization_id, h.project_id, h.api_key_id, h.member_id, h.captured,
        coalesce(h.quote #>> '{priced,release}', '') AS model,
        coalesce((h.quote #>> '{priced,width}') || ' x ' || (h.quote #>> '{priced,height}'), '') AS size,
        'delivered' AS outcome, h.captured / h.per_image AS images
    FROM billing_ledger_transaction t JOIN billing_hold h ON h.id = t.external_reference::uuid
    WHERE t.kind = 'capture' AND t.booked_at >= %(since)s AND t.booked_at < %(until)s
    UNION ALL
    SELECT h.organization_id, h.project_id, h.api_key_id, h.member_id, 0,
        coalesce(h.quote #>> '{priced,release}', ''),
        coalesce((h.quote #>> '{priced,width}') || ' x ' || (h.quote #>> '{priced,height}'), ''),
        CASE WHEN h.state = 'captured' THEN 'test'
             WHEN h.reason LIKE 'moderation%%' OR h.reason = 'job blocked' THEN 'blocked'
             WHEN h.reason IN ('cancelled', 'job cancelled') THEN 'cancelled'
             ELSE 'failed' END, 0
    FROM billing_hold h
    WHERE h.resolved_at >= %(since)s AND h.resolved_at < %(until)s AND h.captured = 0
) usage
GROUP BY organization_id, project_id, api_key_id, member_id, model, size, outcome
"""


@transaction.atomic
def roll_up_day(*, day: date, at: datetime) -> int:
    """Make one UTC day's rows anew; returns how many. Two at once wait for each other."""
    since = datetime(day.year, day.month, day.day, tzinfo=UTC)
    values = {"day": day, "since": since, "until": since + timedelta(days=1)}
    RollupDay.objects.bulk_create([RollupDay(day=day, made_at=at)], ignore_conflicts=True)
    RollupDay.objects.select_for_update().get(day=day)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM billing_usage_rollup WHERE day = %(day)s", values)
        cursor.execute(ROLL_UP, values)
        rows = int(cursor.rowcount)
    RollupDay.objects.filter(day=day).update(made_at=at)
    return rows


def roll_up_recent(*, at: datetime, days: int = 2) -> int:
    """Today and the days before; yesterday's stragglers are in after the next run."""
    today = at.astimezone(UTC).date()
    return sum(roll_up_day(day=today - timedelta(days=back), at=at) for back in range(days))
