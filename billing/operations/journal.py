"""Writing the journal: the one place where legs are made."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from billing.models import LedgerEntry, LedgerTransaction
from governance.kernel.ids import uuid7


@dataclass(frozen=True)
class Leg:
    """One leg in µUSD; the legs of a transaction sum to zero."""

    account: str
    amount: int
    organization_id: UUID | None = None


MOVE = """
UPDATE billing_wallet
SET posted = posted + %(posted)s, held = held + %(held)s, version = version + 1
WHERE organization_id = %(organization)s
"""

OPEN_WALLET = """
INSERT INTO billing_wallet (organization_id, posted, held, version)
VALUES (%(organization)s, %(posted)s, %(held)s, 1)
ON CONFLICT (organization_id) DO UPDATE
SET posted = billing_wallet.posted + excluded.posted,
    held = billing_wallet.held + excluded.held,
    version = billing_wallet.version + 1
"""


def book(
    *,
    kind: str,
    external_reference: str,
    organization_id: UUID | None,
    legs: list[Leg],
    event_at: datetime,
    facts: dict[str, Any] | None = None,
) -> UUID | None:
    """Write one transaction, or None when (kind, reference) was booked before. Needs a transaction.

    The gate is the unique constraint, so twenty callers at once book once.
    """
    assert sum(leg.amount for leg in legs) == 0, "the legs of a transaction sum to zero"
    transaction_id = uuid7()
    created = LedgerTransaction.objects.bulk_create(
        [
            LedgerTransaction(
                id=transaction_id,
                kind=kind,
                external_reference=external_reference,
                organization_id=organization_id,
                event_at=event_at,
                facts=facts or {},
            )
        ],
        ignore_conflicts=True,
    )
    assert len(created) == 1
    if not LedgerTransaction.objects.filter(id=transaction_id).exists():
        return None
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            transaction_id=transaction_id,
            leg=number,
            account=leg.account,
            organization_id=leg.organization_id,
            amount=leg.amount,
        )
        for number, leg in enumerate(legs)
    )
    return transaction_id


def move_wallet(*, organization_id: UUID, posted: int = 0, held: int = 0) -> None:
    """Add µUSD to a wallet's columns; always the last statement, for its row lock is the hot one."""
    values: dict[str, Any] = {"organization": organization_id, "posted": posted, "held": held}
    with connection.cursor() as cursor:
        cursor.execute(MOVE, values)
        if cursor.rowcount == 0:
            cursor.execute(OPEN_WALLET, values)
