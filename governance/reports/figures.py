"""Every figure of a report, counted in the database over the entries of the log.

The grouping is SQL, for speed; what a group counts for is decided in ``verify.add``, which is the code
that a stranger runs over the entries one by one.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from governance.reports import verify

GROUPS = """
    SELECT count(*) AS n, act, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
           facts->>'stage' AS stage, nullif(facts->>'item', '') AS item, facts->>'kind' AS kind,
           facts->>'finding' AS finding, facts->'decided' = 'true'::jsonb AS decided,
           facts->>'late' AS late, coalesce(facts->>'decision' IS NOT NULL, false) AS judged,
           coalesce(sum((facts->>'delivered')::bigint), 0)::bigint AS delivered,
           coalesce(sum((facts->>'withheld')::bigint), 0)::bigint AS withheld,
           coalesce(sum((facts->>'charged_microusd')::bigint), 0)::bigint AS charged,
           coalesce(sum((facts->>'amount_microusd')::bigint), 0)::bigint AS amount,
           coalesce(sum((facts->>'waited_s')::bigint), 0)::bigint AS waited,
           coalesce(max((facts->>'waited_s')::bigint), 0)::bigint AS longest,
           coalesce(max((facts->>'used')::bigint), 0)::bigint AS used,
           coalesce(sum(jsonb_array_length(jsonb_path_query_array(
               facts, 'lax $.images[*] ? (@.decision != null)'))), 0)::bigint AS screened,
           coalesce(sum(jsonb_array_length(jsonb_path_query_array(
               facts, 'lax $.images[*] ? (@.provenance[*] == "credentials")'))), 0)::bigint
               AS credentials,
           coalesce(sum(jsonb_array_length(jsonb_path_query_array(
               facts, 'lax $.images[*] ? (@.provenance[*] == "watermark")'))), 0)::bigint AS watermarks
    FROM governance_audit_entry
    WHERE at >= %(starts_at)s AND at < %(ends_at)s
      AND (%(organization)s::uuid IS NULL OR organization_id = %(organization)s::uuid)
    GROUP BY act, day, stage, item, kind, finding, decided, late, judged
    ORDER BY act, day, stage, item, kind, finding, decided, late, judged
"""


def report_figures(
    organization_id: UUID | None, starts_at: datetime, ends_at: datetime
) -> dict[str, Any]:
    """The figures of one organization, or of all, for entries from ``starts_at`` up to ``ends_at``."""
    figures: dict[str, Any] = verify.no_figures()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(
            GROUPS,
            {"organization": organization_id, "starts_at": starts_at, "ends_at": ends_at},
        )
        names = [column.name for column in cursor.description or ()]
        for row in cursor:
            verify.add(figures, dict(zip(names, row, strict=True)))
    return figures
