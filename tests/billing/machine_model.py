"""The money of one organization in plain Python: what the state machine holds the ledger against.

Knows nothing of the database or of the code under test. Amounts in µUSD.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass
class ModelHold:
    """A hold as the model sees it."""

    hold_id: UUID
    job_id: UUID
    unit: int
    images: int
    body: str
    state: str = "open"
    captured: int = 0
    epoch: int = 0

    @property
    def amount(self) -> int:
        return self.unit * self.images


@dataclass
class ModelLot:
    """Credit of one source; promotional is spent first, then what expires first, then the oldest."""

    paid: bool
    left: int
    created: datetime
    number: int
    expires: datetime | None = None
    payment: str = ""

    @property
    def turn(self) -> tuple[bool, bool, float, datetime, int]:
        ends = self.expires.timestamp() if self.expires else 0.0
        return (self.paid, self.expires is None, ends, self.created, self.number)


@dataclass
class ModelPayment:
    """A card payment and what went back of it."""

    name: str
    amount: int
    refunds: dict[str, str] = field(default_factory=dict)
    disputed: int = 0
    reinstated: bool = False


@dataclass
class ModelMonth:
    """A closed period."""

    opening: int
    closing: int
    ends_at: datetime


@dataclass
class Model:
    """Everything that the ledger must answer for."""

    posted: int = 0
    limit: int | None = None
    revoked: bool = False
    holds: dict[str, ModelHold] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    lots: list[ModelLot] = field(default_factory=list)
    payments: dict[str, ModelPayment] = field(default_factory=dict)
    grants: set[str] = field(default_factory=set)
    months: list[ModelMonth] = field(default_factory=list)

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.state == "open")

    @property
    def spent(self) -> int:
        """What the budget's window counts: holds that were placed while it was in force."""
        return sum(
            hold.amount if hold.state == "open" else hold.captured
            for key, hold in self.holds.items()
            if key in self.counted
        )

    def credit(self, lot: ModelLot) -> None:
        self.lots.append(lot)
        self.posted += lot.left

    def in_turn(self) -> list[ModelLot]:
        return sorted(self.lots, key=lambda lot: lot.turn)

    def settle(self) -> None:
        """Charges leave the lots only when somebody looks."""
        drain(self.in_turn(), sum(lot.left for lot in self.lots) - max(self.posted, 0))

    def free(self) -> dict[int, int]:
        """Of each lot, what no open hold stands on: holds stand on what would pay first."""
        held, free = self.held, {}
        for lot in self.in_turn():
            under = min(held, lot.left)
            held -= under
            free[lot.number] = lot.left - under
        return free

    def refundable(self, payment: str) -> int:
        """Unspent credit of one payment, in whole cents."""
        self.settle()
        free = self.free()
        own = sum(free[lot.number] for lot in self.lots if lot.paid and lot.payment == payment)
        return own - own % 10_000

    def take_back(self, payment: str, amount: int) -> None:
        """Money that left through the provider: the payment's own credit first, then the rest."""
        self.settle()
        drain(sorted(self.in_turn(), key=lambda lot: lot.payment != payment), amount)
        self.posted -= amount

    def expire(self, at: datetime) -> int:
        """Credit whose time is over leaves, except under an open hold."""
        self.settle()
        free, gone = self.free(), 0
        for lot in self.lots:
            if lot.expires is not None and lot.expires <= at:
                gone += free[lot.number]
                lot.left -= free[lot.number]
        self.posted -= gone
        return gone


def drain(lots: list[ModelLot], amount: int) -> None:
    """Take from the front as far as the credit goes."""
    for lot in lots:
        part = max(min(lot.left, amount), 0)
        lot.left -= part
        amount -= part
