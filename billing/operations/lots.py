"""Credit lots follow the wallet: settled when somebody asks, never on the path of a generation.

What the lots still claim beyond what the wallet holds has been spent since the last settling, so no
charge has to be looked at one by one, and a hold or a capture never touches a lot.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from billing.kernel.lots import Lot, Take, expired, in_spending_order, take, unclaimed
from billing.models import CreditLot, LotMovement, LotSource, Wallet
from billing.operations.journal import Leg, book, move_wallet
from governance.kernel.actors import SYSTEM
from governance.operations import audit

EXPIRED_TO = {LotSource.PAID: "breakage", LotSource.PROMOTIONAL: "promotion_expense"}


def add_lot(
    *,
    transaction_id: UUID,
    organization_id: UUID,
    source: LotSource,
    external_reference: str,
    amount: int,
    at: datetime,
    expires_at: datetime | None = None,
) -> None:
    """A new lot of ``amount`` µUSD for a credit that the journal has just booked."""
    CreditLot.objects.create(
        transaction_id=transaction_id,
        organization_id=organization_id,
        source=source,
        external_reference=external_reference,
        granted=amount,
        remaining=amount,
        created_at=at,
        expires_at=expires_at,
    )


def lock_wallet(organization_id: UUID) -> Wallet:
    """The wallet's row, locked until the commit; whoever changes lots takes this lock first."""
    wallets = Wallet.objects.select_for_update().filter(organization_id=organization_id)
    wallet = wallets.first()
    if wallet is None:
        Wallet.objects.bulk_create([Wallet(organization_id=organization_id)], ignore_conflicts=True)
        wallet = wallets.get()
    return wallet


@transaction.atomic
def settle_lots(*, organization_id: UUID, at: datetime) -> list[Lot]:
    """Charge what was spent since the last time to the lots; returns those with credit left.

    Afterwards the lots' remaining µUSD are the wallet's posted amount, or zero in debt.
    """
    wallet = lock_wallet(organization_id)
    lots = open_lots(organization_id)
    spent = sum(lot.remaining for lot in lots) - max(wallet.posted, 0)
    return move_out(lots, take(lots, spent), kind="spent", reference="", at=at)


def open_lots(organization_id: UUID) -> list[Lot]:
    """Lots with credit left, in spending order."""
    rows = CreditLot.objects.filter(organization_id=organization_id, remaining__gt=0)
    return in_spending_order(
        Lot(
            id=row.id,
            paid=row.source == LotSource.PAID,
            remaining=row.remaining,
            created_at=row.created_at,
            expires_at=row.expires_at,
            reference=row.external_reference,
        )
        for row in rows
    )


def move_out(
    lots: Iterable[Lot], takes: Iterable[Take], *, kind: str, reference: str, at: datetime
) -> list[Lot]:
    """Record what leaves each lot; returns the lots that still have credit."""
    gone = {part.lot.id: part.amount for part in takes}
    for lot_id, amount in gone.items():
        CreditLot.objects.filter(id=lot_id).update(remaining=F("remaining") - amount)
    LotMovement.objects.bulk_create(
        LotMovement(lot_id=lot_id, kind=kind, amount=amount, reference=reference, at=at)
        for lot_id, amount in gone.items()
    )
    left = (replace(lot, remaining=lot.remaining - gone.get(lot.id, 0)) for lot in lots)
    return [lot for lot in left if lot.remaining]


def take_back(
    *, organization_id: UUID, payment: str, amount: int, kind: str, reference: str, at: datetime
) -> None:
    """Take ``amount`` µUSD out of the lots of one payment, then of the others; the rest is debt.

    Call it under the wallet's lock and before the wallet moves.
    """
    lots = open_lots(organization_id)
    own_first = sorted(lots, key=lambda lot: lot.reference != payment)
    move_out(lots, take(own_first, amount), kind=kind, reference=reference, at=at)


def refundable(organization_id: UUID, payment: str, at: datetime) -> int:
    """µUSD of one payment that are unspent and that no open hold stands on. Needs a transaction."""
    lots = settle_lots(organization_id=organization_id, at=at)
    wallet = lock_wallet(organization_id)
    free = unclaimed(lots, wallet.held)
    return sum(free[lot.id] for lot in lots if lot.paid and lot.reference == payment)


@transaction.atomic
def expire_lots(*, organization_id: UUID, at: datetime) -> int:
    """Book what has expired; returns µUSD. Credit that an open hold stands on lives until it ends."""
    lots = settle_lots(organization_id=organization_id, at=at)
    wallet = lock_wallet(organization_id)
    takes = expired(lots, wallet.held, at)
    for part in takes:
        book_expiry(organization_id, part, at)
    move_out(lots, takes, kind="expired", reference="", at=at)
    total = sum(part.amount for part in takes)
    if total:
        move_wallet(organization_id=organization_id, posted=-total)
    return total


def book_expiry(organization_id: UUID, part: Take, at: datetime) -> None:
    """Legs and audit entry of one lot's expiry; a lot kept alive by a hold may expire in parts."""
    source = LotSource.PAID if part.lot.paid else LotSource.PROMOTIONAL
    earlier = LotMovement.objects.filter(lot_id=part.lot.id, kind="expired").count()
    booked = book(
        kind="credit_expired",
        external_reference=f"{part.lot.id}:{earlier}",
        organization_id=organization_id,
        legs=[
            Leg("wallet", -part.amount, organization_id),
            Leg(EXPIRED_TO[source], part.amount),
        ],
        event_at=part.lot.expires_at or at,
        facts={"lot": str(part.lot.id), "source": source},
    )
    assert booked is not None, "the wallet's lock keeps two expiries of one lot apart"
    audit.record(
        act="credit.expired",
        actor=SYSTEM,
        organization_id=organization_id,
        subject_kind="ledger_transaction",
        subject_id=booked,
        facts={"amount_microusd": part.amount, "lot": str(part.lot.id)},
    )


def expire_due_lots(*, at: datetime) -> int:
    """Expire every lot whose time is over, one organization a transaction; returns µUSD."""
    due = CreditLot.objects.filter(remaining__gt=0, expires_at__lte=at)
    return sum(
        expire_lots(organization_id=organization_id, at=at)
        for organization_id in due.values_list("organization_id", flat=True).distinct()
    )
