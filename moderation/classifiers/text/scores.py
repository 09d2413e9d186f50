"""What a text classifier answers, and how scores become an outcome."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["allow", "label", "review", "block"]
ITEMS = ("1", "2", "3", "4", "5", "6", "7", "8", "9")
RANK: dict[str, int] = {"allow": 0, "label": 1, "review": 2, "block": 3}

#: Plain words for people, per policy item.
ITEM_NAMES = {
    "1": "sexual content involving minors",
    "2": "intimate imagery of a real person without consent",
    "3": "impersonation or election interference",
    "4": "rights of third parties (copyright, likeness)",
    "5": "military use",
    "6": "mass surveillance",
    "7": "hateful, violent, sexual, fraudulent or otherwise unlawful content",
    "8": "circumventing safety measures",
    "9": "passing off output as made by a person",
}


class ScoreNotFinite(Exception):
    """A score was NaN or infinite; no outcome may be derived from it."""

    code = "score_not_finite"


@dataclass(frozen=True)
class TextScores:
    """The answer for one text. `score` is the highest of `scores`."""

    scores: dict[str, float]
    score: float
    outcome: Outcome
    item: str | None
    reasons: tuple[str, ...]
    language: str
    views: tuple[str, ...]

    def __post_init__(self) -> None:
        values = (*self.scores.values(), self.score)
        if not all(math.isfinite(value) and 0.0 <= value <= 1.0 for value in values):
            raise ScoreNotFinite("a text score is outside 0..1")
        if tuple(self.scores) != ITEMS:
            raise ScoreNotFinite("the scores do not name the nine policy items in order")


@dataclass(frozen=True)
class Threshold:
    """Scores from which a text is held for review, and blocked. `block` >= `review`."""

    review: float
    block: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.review <= self.block <= 1.0:
            raise ValueError("thresholds need 0 <= review <= block <= 1")


Thresholds = Mapping[str, Threshold]


def read_thresholds(raw: Mapping[str, Mapping[str, float]]) -> dict[str, Threshold]:
    """Thresholds from JSON, `{item: {"review": 0.4, "block": 0.7}}`. Raises ValueError."""
    found = {
        item: Threshold(review=float(pair["review"]), block=float(pair["block"]))
        for item, pair in raw.items()
    }
    if not all(item in ITEMS for item in found):
        raise ValueError("thresholds name an item that the policy does not have")
    return found


def _rank(value: float, pair: Threshold) -> int:
    if value >= pair.block:
        return RANK["block"]
    return RANK["review"] if value >= pair.review else RANK["allow"]


def outcome_of(scores: Mapping[str, float], thresholds: Thresholds) -> tuple[Outcome, str | None]:
    """The strictest outcome over all items, and the item that decided it (None when allowed).

    An item without thresholds has no head and decides nothing.
    """
    decided: tuple[int, float, str] | None = None
    for item, pair in thresholds.items():
        value = scores[item]
        rank = _rank(value, pair)
        if rank and (decided is None or (rank, value) > decided[:2]):
            decided = (rank, value, item)
    if decided is None:
        return "allow", None
    return ("block" if decided[0] == RANK["block"] else "review"), decided[2]
