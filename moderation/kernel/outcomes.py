"""What a verdict may say, from mild to severe. The aggregate of several is the most severe."""

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """ALLOW < LABEL < REVIEW (held for a person) < BLOCK < BLOCK_AND_REPORT."""

    ALLOW = "allow"
    LABEL = "label"
    REVIEW = "review"
    BLOCK = "block"
    REPORT = "block_and_report"

    @property
    def severity(self) -> int:
        """0 for ALLOW up to 4 for BLOCK_AND_REPORT."""
        return SEVERITY[self]

    @property
    def passes(self) -> bool:
        """Whether what was judged may go on."""
        return self.severity <= Outcome.LABEL.severity

    @property
    def refuses(self) -> bool:
        """Whether it is refused for good, not merely held."""
        return self.severity >= Outcome.BLOCK.severity


SEVERITY = {outcome: rank for rank, outcome in enumerate(Outcome)}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The most severe outcome. Nothing at all is no permission: an empty set counts as REVIEW."""
    return max(outcomes, key=lambda outcome: outcome.severity, default=Outcome.REVIEW)
