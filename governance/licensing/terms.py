"""Terms as data: rules with metric, limit, comparison, source, citation, warning, grace."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

# Where the seat threshold comes from. The licence's text does not know the word "seat", so no
# clause number may ever stand beside it (facts: "The word 'seat' does not occur").
SEAT_SOURCE = "the operator's brief and launch coverage; not a clause of the licence"
LICENCE_SOURCE = "Krea 2 Community License Agreement v.1, 2026-06-22"

Comparison = Literal["<", "<=", "is"]
Metric = Literal[
    "seats_used", "revenue_microusd", "attestation_in_force", "acceptance_in_force",
    "enterprise_features", "breach", "notice",
]  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """One line that must not be crossed.

    ``limit`` and ``warn_at`` are in the metric's unit (seats, µUSD, days before an expiry);
    ``grace_days`` run from the crossing; ``citation`` is empty where no clause stands behind it.
    """

    id: str
    metric: Metric
    comparison: Comparison
    limit: int
    source: str
    citation: str
    warn_at: int
    grace_days: int
    consequence: str
    next_step: str
    # For seats only: "hard" refuses the claim above the limit, "soft" admits it and grace runs.
    door: Literal["hard", "soft"] = "hard"
    # ISO 8601: from when this limit applies; a lowered limit starts its own grace.
    since: str = ""

    def __post_init__(self) -> None:
        if self.metric == "seats_used" and self.citation:
            raise ValueError("the seat rule is not a clause of the licence; its citation is empty")
        if self.grace_days < 0 or self.limit < 0:
            raise ValueError(f"rule {self.id}: limit and grace_days are not negative")

    @property
    def applies_since(self) -> datetime | None:
        """From when this limit applies, or None for always."""
        return datetime.fromisoformat(self.since) if self.since else None

    def holds(self, value: int) -> bool:
        """Whether ``value`` is within the limit: 50 seats of 50 are, 1,000,000 USD are not."""
        return value < self.limit if self.comparison == "<" else value <= self.limit


@dataclass(frozen=True)
class Terms:
    """One version of the terms: every rule by id, and the hash of rules and documents."""

    id: str
    label: str
    sha256: str
    rules: Mapping[str, Rule]

    @property
    def seats(self) -> Rule:
        """The seat threshold."""
        return self.rules["seats"]

    @property
    def revenue(self) -> Rule:
        """The revenue test of section 2.3."""
        return self.rules["revenue"]

    @property
    def attestation(self) -> Rule:
        """That an attestation of revenue is in force."""
        return self.rules["attestation"]

    @property
    def acceptance(self) -> Rule:
        """That the documents are accepted for the organization."""
        return self.rules["acceptance"]


def rules_from(data: list[dict[str, Any]]) -> dict[str, Rule]:
    """Rules by id from stored JSON. Raises TypeError or ValueError for a rule that is malformed."""
    rules = [Rule(**item) for item in data]
    by_id = {rule.id: rule for rule in rules}
    missing = {"seats", "revenue", "attestation", "acceptance"} - set(by_id)
    if missing or len(by_id) != len(rules):
        raise ValueError(f"rules must be unique and include {sorted(missing)}")
    return by_id


def rules_to(rules: Mapping[str, Rule]) -> list[dict[str, Any]]:
    """The JSON that ``rules_from`` reads, in the order of the rules."""
    return [asdict(rule) for rule in rules.values()]
