"""Credit that comes in: paid or promotional."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import transaction

from billing.models import LotSource
from billing.operations.journal import Leg, book, move_wallet
from billing.operations.lots import add_lot
from governance.kernel.actors import Actor
from governance.kernel.money import Microdollars
from governance.operations import audit

SOURCES = {"paid": "stripe_clearing", "promotional": "promotion_expense"}


@transaction.atomic
def grant_credit(
    *,
    organization_id: UUID,
    amount: Microdollars,
    kind: Literal["paid", "promotional"],
    external_reference: str,
    actor: Actor,
    at: datetime,
    expires_at: datetime | None = None,
) -> bool:
    """Credit a wallet once per ``external_reference``; False when it was credited before.

    ``amount`` in µUSD. Paid credit is refundable while unspent; promotional credit is spent first.
    """
    assert amount > 0, "a credit is positive"
    booked = book(
        kind=f"credit_{kind}",
        external_reference=external_reference,
        organization_id=organization_id,
        legs=[Leg("wallet", amount, organization_id), Leg(SOURCES[kind], -amount)],
        event_at=at,
        facts={"expires_at": expires_at.isoformat() if expires_at else None},
    )
    if booked is None:
        return False
    add_lot(
        transaction_id=booked,
        organization_id=organization_id,
        source=LotSource(kind),
        external_reference=external_reference,
        amount=amount,
        at=at,
        expires_at=expires_at,
    )
    audit.record(
        act="credit.granted",
        actor=actor,
        organization_id=organization_id,
        subject_kind="ledger_transaction",
        subject_id=booked,
        facts={"amount_microusd": amount, "kind": kind, "reference": external_reference},
    )
    move_wallet(organization_id=organization_id, posted=amount)
    return True
