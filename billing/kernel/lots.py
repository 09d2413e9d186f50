"""Which lot pays: promotional before paid, what expires first before what expires later, then the oldest."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Lot:
    """The unspent part of one credit, µUSD."""

    id: UUID
    paid: bool
    remaining: int
    created_at: datetime
    expires_at: datetime | None
    reference: str


@dataclass(frozen=True)
class Take:
    """µUSD that leave one lot."""

    lot: Lot
    amount: int


def in_spending_order(lots: Iterable[Lot]) -> list[Lot]:
    """The order in which charges use up credit."""
    return sorted(lots, key=lambda lot: (lot.paid, lot.expires_at or NEVER, lot.created_at, lot.id))


def take(lots: Sequence[Lot], amount: int) -> list[Take]:
    """Take ``amount`` µUSD from ``lots``, front to back, as far as they go."""
    taken = []
    for lot in lots:
        part = min(amount, lot.remaining)
        if part > 0:
            taken.append(Take(lot, part))
            amount -= part
    return taken


def unclaimed(lots: Iterable[Lot], held: int) -> dict[UUID, int]:
    """µUSD of each lot that no open hold stands on: holds stand on the lots that would pay first."""
    free = {}
    for lot in in_spending_order(lots):
        kept = min(held, lot.remaining)
        held -= kept
        free[lot.id] = lot.remaining - kept
    return free


def expired(lots: Iterable[Lot], held: int, at: datetime) -> list[Take]:
    """What expires at ``at``: a lot whose time is over, less what open holds stand on."""
    lots = list(lots)
    free = unclaimed(lots, held)
    over = [lot for lot in lots if lot.expires_at is not None and lot.expires_at <= at]
    return [Take(lot, free[lot.id]) for lot in in_spending_order(over) if free[lot.id] > 0]
