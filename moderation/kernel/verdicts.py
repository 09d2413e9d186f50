"""One classifier's answer on one subject under one policy, and the pure rule that judges scores."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from uuid import UUID

from moderation.kernel.bundles import Required, Threshold
from moderation.kernel.outcomes import Outcome

Status = Literal["done", "failed", "skipped"]
MILLION = 1_000_000
#: The detector name of the hash banks, which no policy can switch off.
HASH_BANKS = "hash-banks"


@dataclass(frozen=True)
class Reading:
    """What a classifier answers. ``subject_sha256`` says what it read, so that an answer that
    belongs to another subject (late, repeated, out of order) is seen. Scores are 0 to 1 by label.

    ``outcome`` is a floor that rules inside the classifier ask for; the policy's thresholds may only
    raise it. ``thresholds`` are the classifier's own, for people to see.
    """

    subject_sha256: str
    scores: Mapping[str, float]
    outcome: Outcome = Outcome.ALLOW
    item: str = ""
    reasons: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What is judged: the prompt or one image of a job's attempt, by its SHA-256."""

    kind: str
    sha256: str
    job_id: UUID
    attempt: int = 0
    index: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """One required classifier's result, good or bad; plain values, so that it crosses processes."""

    id: str
    decision_id: str
    stage: str
    subject_kind: str
    subject_sha256: str
    attempt: int
    index: int
    policy_version: str
    policy_hash: str
    detector: str
    detector_version: str
    weights_sha256: str
    status: Status
    outcome: Outcome
    item: str
    reason: str
    scores: dict[str, float]
    thresholds: dict[str, dict[str, float]]
    latency_ms: int
    error: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For pipes and queues between processes; ``verdict_from_json`` reads it."""
        return {**asdict(self), "outcome": str(self.outcome)}

    def as_evidence(self) -> dict[str, Any]:
        """The part a receipt signs: who judged, with what, and how; whole numbers only."""
        return {
            "verdict": self.id,
            "detector": self.detector,
            "version": self.detector_version,
            "weights_sha256": self.weights_sha256,
            "outcome": str(self.outcome),
            "scores_ppm": {label: round(score * MILLION) for label, score in self.scores.items()},
        }


def verdict_from_json(value: Mapping[str, Any]) -> Verdict:
    """The verdict that ``Verdict.as_json`` wrote. Raises TypeError or ValueError when malformed."""
    return Verdict(**{**value, "outcome": Outcome(value["outcome"])})


class ReadingUnusable(Exception):
    """A classifier answered, but not with an answer to this question."""


def check_reading(reading: Reading, *, subject_sha256: str, labels: tuple[str, ...]) -> None:
    """Raises ReadingUnusable for another subject's answer, NaN, a wrong range or wrong labels."""
    if reading.subject_sha256 != subject_sha256:
        raise ReadingUnusable("the answer belongs to another subject")
    if set(reading.scores) != set(labels):
        raise ReadingUnusable(
            f"{len(reading.scores)} scores came where the policy names {len(labels)} labels"
        )
    for label, score in reading.scores.items():
        if not _is_share(score):
            raise ReadingUnusable(f"the score of {label} is no number from 0 to 1")


def _is_share(score: object) -> bool:
    return isinstance(score, (int, float)) and math.isfinite(score) and 0 <= score <= 1


def judge(reading: Reading, required: Required) -> tuple[Outcome, str]:
    """The outcome of checked scores under the policy's thresholds, and the policy item behind it.

    The severest label decides; among equals the one that exceeds its threshold by most.
    """
    outcome, item, margin = reading.outcome, reading.item, -1.0
    for label, threshold in required.thresholds.items():
        found = outcome_of(reading.scores[label], threshold)
        excess = reading.scores[label] - threshold.review
        severer = found.severity > outcome.severity
        same = found is outcome and not found.passes and excess > margin and not reading.item
        if severer or same:
            outcome, item, margin = found, threshold.item, excess
    return outcome, item


def outcome_of(score: float, threshold: Threshold) -> Outcome:
    """ALLOW below the review threshold, REVIEW below the block threshold, else BLOCK."""
    if score >= threshold.block:
        return Outcome.BLOCK
    return Outcome.REVIEW if score >= threshold.review else Outcome.ALLOW
