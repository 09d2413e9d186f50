"""What is known of an organization when its standing is decided. Tuples are sets: no order counts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Bracket(StrEnum):
    """A range of company-wide revenue of the trailing twelve months, in USD."""

    UNDER_250K = "under_250k"
    UNDER_500K = "under_500k"
    UNDER_800K = "under_800k"
    UNDER_1M = "under_1m"
    AT_OR_OVER_1M = "at_or_over_1m"
    UNSURE = "unsure"


_MILLION = 1_000_000  # µUSD in one USD
# Each bracket's lowest and highest revenue in µUSD; None: no upper end.
BRACKET_BOUNDS: dict[Bracket, tuple[int, int | None]] = {
    Bracket.UNDER_250K: (0, 250_000 * _MILLION - 1),
    Bracket.UNDER_500K: (250_000 * _MILLION, 500_000 * _MILLION - 1),
    Bracket.UNDER_800K: (500_000 * _MILLION, 800_000 * _MILLION - 1),
    Bracket.UNDER_1M: (800_000 * _MILLION, 1_000_000 * _MILLION - 1),
    Bracket.AT_OR_OVER_1M: (1_000_000 * _MILLION, None),
    Bracket.UNSURE: (0, None),
}


@dataclass(frozen=True, order=True)
class AttestationFact:
    """A signed statement of revenue; ``amount`` in µUSD where given, else the bracket counts.

    ``covers_group`` is False where organizations joined the group after the signature.
    """

    signed_at: datetime
    organization_id: str
    id: str
    expires_at: datetime
    bracket: Bracket
    amount: int | None = None
    covers_group: bool = True

    @property
    def lowest(self) -> int:
        """The least revenue that the statement admits, µUSD."""
        return self.amount if self.amount is not None else BRACKET_BOUNDS[self.bracket][0]

    @property
    def highest(self) -> int | None:
        """The most revenue that the statement admits, µUSD; None without an upper end."""
        return self.amount if self.amount is not None else BRACKET_BOUNDS[self.bracket][1]


@dataclass(frozen=True, order=True)
class ContractFact:
    """An enterprise contract on record: in force from ``starts_at`` until before ``ends_at``."""

    starts_at: datetime
    ends_at: datetime
    id: str
    seats: int
    features: frozenset[str] = frozenset()

    def in_force(self, at: datetime) -> bool:
        """Whether the contract covers the moment ``at``."""
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True, order=True)
class NoticeFact:
    """The licensor's notice of termination (section 9.2); ``covers`` says whom."""

    received_at: datetime
    ends_at: datetime
    id: str
    covers: str


@dataclass(frozen=True, order=True)
class BreachFact:
    """A recorded breach (section 9.1: the licence ends at once, no cure period)."""

    discovered_at: datetime
    id: str
    clause: str
    reinstated_at: datetime | None = None


@dataclass(frozen=True)
class LicenceFacts:
    """Everything that the decision may look at.

    ``seat_events`` are claims (+1) and releases (-1) with their moments; they are needed only
    where more seats are used than the lowest limit in play, and tell when the line was crossed.
    ``seats_per_day`` is the slope of the daily counts of the last 90 days, None where unknown.
    """

    organization_id: str
    seats_used: int = 0
    seats_pending: int = 0
    seats_peak: int = 0
    seats_per_day: float | None = None
    seat_events: tuple[tuple[datetime, int], ...] = ()
    accepted_at: datetime | None = None
    acceptance_due_since: datetime | None = None
    needs: frozenset[str] = frozenset()
    attestations: tuple[AttestationFact, ...] = ()
    contracts: tuple[ContractFact, ...] = ()
    notices: tuple[NoticeFact, ...] = ()
    breaches: tuple[BreachFact, ...] = ()
    halted_since: datetime | None = None
