"""Running one stage of the gate: every classifier the policy requires, each answer checked."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from moderation.classifiers.deadline import within
from moderation.kernel.bundles import Bundle, Required
from moderation.kernel.outcomes import Outcome, worst
from moderation.kernel.verdicts import (
    Reading,
    Subject,
    Verdict,
    check_reading,
    judge,
)

logger = logging.getLogger(__name__)
MILLISECONDS = 1000


class GateUnavailable(DomainError):
    """A required classifier did not give a usable answer, so nothing goes on. Free of charge."""

    code = "moderation_unavailable"
    title = "The content filter could not judge this"
    status = 503
    retryable = True

    def __init__(self, detail: str, *, verdicts: tuple[Verdict, ...] = (), **facts: Any) -> None:
        super().__init__(detail, charged_microusd=0, **facts)
        self.verdicts = verdicts


@dataclass(frozen=True)
class StageResult:
    """All verdicts of one stage on one subject, under one decision."""

    decision_id: UUID
    verdicts: tuple[Verdict, ...]

    @property
    def outcome(self) -> Outcome:
        """The most severe of the verdicts."""
        return worst(verdict.outcome for verdict in self.verdicts)

    @property
    def items(self) -> list[str]:
        """The policy items of the verdicts that did not pass, severest first."""
        stopped = [each for each in self.verdicts if not each.outcome.passes and each.item]
        stopped.sort(key=lambda each: -each.outcome.severity)
        return list(dict.fromkeys(each.item for each in stopped))

    @property
    def failures(self) -> list[Verdict]:
        """The verdicts that are none: the classifier failed, hung or answered nonsense."""
        return [each for each in self.verdicts if each.status == "failed"]

    @property
    def refused(self) -> bool:
        """Whether a classifier that worked refuses it for good, whatever the others did."""
        return any(each.status == "done" and each.outcome.refuses for each in self.verdicts)


def run_stage(
    *,
    bundle: Bundle,
    stage: str,
    subject: Subject,
    ask: Callable[[Required], Reading],
) -> StageResult:
    """Ask every classifier that ``bundle`` requires at ``stage``; never raises for a bad answer.

    ``ask`` loads the classifier and lets it read; whatever it raises becomes a failed verdict.
    After the first refusal the rest is recorded as skipped.
    """
    decision_id = uuid7()
    verdicts: list[Verdict] = []
    refused = False
    for required in bundle.required(stage):
        if refused:
            verdict = _blank(bundle, stage, subject, decision_id, required, status="skipped")
        else:
            verdict = _ask_one(bundle, stage, subject, decision_id, required, ask)
        verdicts.append(verdict)
        refused = refused or (verdict.status == "done" and verdict.outcome.refuses)
    return StageResult(decision_id, tuple(verdicts))


def _ask_one(
    bundle: Bundle,
    stage: str,
    subject: Subject,
    decision_id: UUID,
    required: Required,
    ask: Callable[[Required], Reading],
) -> Verdict:
    started = time.monotonic()
    try:
        reading = within(required.timeout_ms / MILLISECONDS, lambda: ask(required))
        check_reading(reading, subject_sha256=subject.sha256, labels=required.labels)
        outcome, item = judge(reading, required)
    except Exception as failure:  # noqa: BLE001 (whatever goes wrong with a classifier: refusal)
        logger.warning("gate: %s failed at %s: %r", required.name, stage, failure)
        error = f"{type(failure).__name__}: {failure}"[:500]
        return _blank(
            bundle, stage, subject, decision_id, required, error=error, latency_ms=_since(started)
        )
    return Verdict(
        **_header(bundle, stage, subject, decision_id, required),
        status="done",
        outcome=outcome,
        item=item if not outcome.passes else "",
        reason="" if outcome.passes else "; ".join(reading.reasons) or bundle.reason(item),
        scores={label: round(float(score), 6) for label, score in reading.scores.items()},
        thresholds={**reading.thresholds, **_thresholds(required)},
        latency_ms=_since(started),
        facts={**subject.facts, **reading.facts, "floor": str(reading.outcome)},
    )


def _blank(
    bundle: Bundle,
    stage: str,
    subject: Subject,
    decision_id: UUID,
    required: Required,
    *,
    status: Any = "failed",
    error: str = "",
    latency_ms: int = 0,
) -> Verdict:
    """A verdict without an answer: REVIEW, and BLOCK where items 1 or 2 are at stake."""
    return Verdict(
        **_header(bundle, stage, subject, decision_id, required),
        status=status,
        outcome=required.on_failure,
        item="",
        reason="An earlier classifier had refused it already."
        if status == "skipped"
        else "The classifier gave no usable answer; what is not judged is not released.",
        scores={},
        thresholds=_thresholds(required),
        latency_ms=latency_ms,
        error=error,
        facts=dict(subject.facts),
    )


def _header(
    bundle: Bundle, stage: str, subject: Subject, decision_id: UUID, required: Required
) -> dict[str, Any]:
    return {
        "id": str(uuid7()),
        "decision_id": str(decision_id),
        "stage": stage,
        "subject_kind": subject.kind,
        "subject_sha256": subject.sha256,
        "attempt": subject.attempt,
        "index": subject.index,
        "policy_version": bundle.version,
        "policy_hash": bundle.hash,
        "detector": required.name,
        "detector_version": required.version,
        "weights_sha256": required.weights_sha256,
    }


def _thresholds(required: Required) -> dict[str, dict[str, float]]:
    return {
        label: {"review": each.review, "block": each.block}
        for label, each in required.thresholds.items()
    }


def _since(started: float) -> int:
    return round((time.monotonic() - started) * MILLISECONDS)
