"""Who uses a key: counted in Valkey with the rate limit, moved to PostgreSQL every few seconds.

So a request writes no row for it. What is lost with Valkey are counts for people, never money.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from governance.operations.rate_limits import LAST_USES, USES, limiter

CLIENT_LENGTH = 80
KEPT = timedelta(days=31)
LAST_USE = """
UPDATE governance_api_key SET last_used_at = %(at)s, last_used_ip = nullif(%(ip)s, '')::inet,
       last_used_client = %(client)s
WHERE id = %(key)s AND (last_used_at IS NULL OR last_used_at <= %(at)s)
"""
# A key that is gone (its organization was removed) is passed over.
COUNT = """
INSERT INTO governance_key_use (key_id, day, ip, client, calls, last_at)
SELECT id, %(day)s, %(ip)s, %(client)s, %(calls)s, %(at)s FROM governance_api_key WHERE id = %(key)s
ON CONFLICT (key_id, day, ip, client) DO UPDATE
SET calls = governance_key_use.calls + excluded.calls,
    last_at = greatest(governance_key_use.last_at, excluded.last_at)
"""


@dataclass(frozen=True)
class Use:
    """Calls of one kind since the last collection."""

    key_id: UUID
    ip: str
    client: str
    calls: int
    at: datetime


def use_of(*, key_id: UUID, ip: str | None, client: str, at: datetime) -> str:
    """The name under which a call is counted."""
    return json.dumps([str(key_id), at.date().isoformat(), ip or "", client[:CLIENT_LENGTH]])


def collect_key_uses(*, at: datetime) -> int:
    """Move what was counted into PostgreSQL; returns the number of kinds of use.

    Run again after a crash between commit and delete, a batch counts twice: better than not at all.
    """
    uses = list(_taken())
    with transaction.atomic(), connection.cursor() as cursor:
        for use in sorted(uses, key=lambda each: (each.key_id, each.at)):
            row: dict[str, Any] = {
                "key": use.key_id,
                "day": use.at.date(),
                "ip": use.ip,
                "client": use.client,
                "calls": use.calls,
                "at": use.at,
            }
            cursor.execute(COUNT, row)
            cursor.execute(LAST_USE, row)
        cursor.execute("DELETE FROM governance_key_use WHERE day < %s", [(at - KEPT).date()])
    limiter().client.delete(f"{USES}:taken", f"{LAST_USES}:taken")
    return len(uses)


def _taken() -> Iterable[Use]:
    """Set the present counts aside, unless an earlier collection left some; then those come first."""
    client = limiter().client
    if not client.exists(f"{USES}:taken") and client.exists(USES):
        with client.pipeline() as together:
            together.rename(USES, f"{USES}:taken")
            together.rename(LAST_USES, f"{LAST_USES}:taken")
            together.execute()
    counts: dict[Any, Any] = client.hgetall(f"{USES}:taken")
    moments: dict[Any, Any] = client.hgetall(f"{LAST_USES}:taken")
    for field, calls in counts.items():
        key, _day, ip, agent = json.loads(field)
        moment = datetime.fromisoformat(moments[field].decode())
        yield Use(UUID(key), ip, agent, int(calls), moment)
