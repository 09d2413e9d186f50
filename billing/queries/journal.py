"""The wallet's ledger for people, newest first, with the balance after each line."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from billing.kernel.statements import TITLES
from billing.queries.balances import balance_of

PAGE = 50
ROWS = """
SELECT t.id, t.booked_at, t.kind, e.amount, t.external_reference, t.facts
FROM billing_ledger_transaction t
JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
WHERE t.organization_id = %(organization)s
  AND (%(until)s::timestamptz IS NULL OR (t.booked_at, t.id) < (%(until)s, %(after)s::uuid))
ORDER BY t.booked_at DESC, t.id DESC LIMIT %(limit)s
"""

NEWER = """
SELECT coalesce(sum(e.amount), 0)
FROM billing_ledger_transaction t
JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet'
WHERE t.organization_id = %(organization)s AND (t.booked_at, t.id) >= (%(until)s, %(after)s::uuid)
"""


@dataclass(frozen=True)
class LedgerLine:
    """One booking, µUSD; ``balance`` is what was posted after it."""

    id: UUID
    at: datetime
    kind: str
    title: str
    amount: int
    balance: int
    job_id: str
    reference: str


@dataclass(frozen=True)
class LedgerPage:
    """Lines and the cursor of the next page, None at the end."""

    lines: tuple[LedgerLine, ...]
    next_cursor: str | None


def ledger_of(
    organization_id: UUID,
    *,
    cursor: str | None = None,
    limit: int = PAGE,
    posted: int | None = None,
) -> LedgerPage:
    """A page of the ledger. A cursor that is none starts at the newest line. ``posted``: the wallet's µUSD,
    where the caller has read it."""
    values = {"organization": organization_id, "limit": limit + 1, **place(cursor)}
    balance = balance_of(organization_id).posted if posted is None else posted
    with connection.cursor() as db:
        if values["until"] is not None:
            db.execute(NEWER, values)
            row = db.fetchone()
            balance -= int(row[0]) if row else 0
        db.execute(ROWS, values)
        rows = db.fetchall()
    lines = []
    for row in rows[:limit]:
        lines.append(line_of(row, balance))
        balance -= row[3]
    more = len(rows) > limit
    last = lines[-1] if lines else None
    return LedgerPage(tuple(lines), f"{last.at.isoformat()}_{last.id}" if last and more else None)


def place(cursor: str | None) -> dict[str, Any]:
    """Where a cursor points."""
    try:
        when, _, last = (cursor or "").partition("_")
        return {"until": datetime.fromisoformat(when), "after": UUID(last)}
    except ValueError:
        return {"until": None, "after": None}


def line_of(row: Any, balance: int) -> LedgerLine:
    """A line for people."""
    transaction, at, kind, amount, reference, facts = row
    details = facts if isinstance(facts, dict) else {}
    return LedgerLine(
        id=transaction,
        at=at,
        kind=kind,
        title=TITLES.get(kind, kind),
        amount=amount,
        balance=balance,
        job_id=str(details.get("job", "")),
        reference="" if kind == "capture" else reference,
    )
