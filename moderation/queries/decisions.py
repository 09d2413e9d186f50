"""Reading what the gate decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from moderation.kernel.outcomes import Outcome
from moderation.models import Decision, VerdictRow


@dataclass(frozen=True)
class DecisionLine:
    """One classifier's verdict as a line of a generation's timeline. Scores 0 to 1, latency in ms."""

    decision_id: UUID
    stage: str
    subject_kind: str
    attempt: int
    index: int
    detector: str
    version: str
    status: str
    scores: list[dict[str, Any]]
    outcome: str
    item: str
    reason: str
    latency_ms: int
    policy_version: str
    policy_hash: str
    at: datetime


def decisions_of_job(job_id: UUID, *, organization_id: UUID | None = None) -> list[DecisionLine]:
    """Every verdict on a job's prompt and images, oldest first; two queries.

    For a tenant's eyes give ``organization_id``: another tenant's job then has none.
    """
    decisions = Decision.objects.filter(job_id=job_id)
    if organization_id is not None:
        decisions = decisions.filter(organization_id=organization_id)
    found = decisions.order_by("at", "attempt", "index", "id").prefetch_related("verdicts")
    return [
        _line(decision, verdict)
        for decision in found
        for verdict in sorted(decision.verdicts.all(), key=lambda each: each.id)
    ]


def jobs_without_release(job_ids: Sequence[UUID]) -> list[UUID]:
    """Those of ``job_ids`` for which the gate has not allowed both a prompt and an image."""
    allowed: dict[str, set[UUID]] = {"input": set(), "output": set()}
    found = Decision.objects.filter(
        job_id__in=job_ids, stage__in=allowed, outcome__in=(Outcome.ALLOW, Outcome.LABEL)
    )
    for job_id, stage in found.values_list("job_id", "stage"):
        allowed[stage].add(job_id)
    return [job for job in job_ids if not all(job in jobs for jobs in allowed.values())]


def released_here(job_id: UUID, index: int, *, organization_id: UUID) -> bool:
    """Whether the gate released this image of this tenant's job."""
    return Decision.objects.filter(
        job_id=job_id,
        index=index,
        organization_id=organization_id,
        stage="output",
        outcome__in=(Outcome.ALLOW, Outcome.LABEL),
    ).exists()


def _line(decision: Decision, verdict: VerdictRow) -> DecisionLine:
    return DecisionLine(
        decision_id=decision.id,
        stage=decision.stage,
        subject_kind=decision.subject_kind,
        attempt=decision.attempt,
        index=decision.index,
        detector=verdict.detector,
        version=verdict.detector_version,
        status=verdict.status,
        scores=scores_with_thresholds(verdict),
        outcome=verdict.outcome,
        item=verdict.item,
        reason=verdict.reason,
        latency_ms=verdict.latency_ms,
        policy_version=decision.policy_version,
        policy_hash=decision.policy_hash,
        at=decision.at,
    )


def scores_with_thresholds(verdict: VerdictRow) -> list[dict[str, Any]]:
    """Each score beside the thresholds it was held against; None where the weights hold them."""
    return [
        {
            "label": label,
            "score": score,
            "review": verdict.thresholds.get(label, {}).get("review"),
            "block": verdict.thresholds.get(label, {}).get("block"),
        }
        for label, score in sorted(verdict.scores.items(), key=lambda pair: -pair[1])
    ]


def withheld_decisions(
    organization_id: UUID, *, before: datetime | None = None, limit: int = 50
) -> list[Decision]:
    """A tenant's own decisions that were no allowance, newest first."""
    found = Decision.objects.filter(organization_id=organization_id).exclude(
        outcome__in=("allow", "label")
    )
    if before is not None:
        found = found.filter(at__lt=before)
    return list(found.select_related("appeal").order_by("-at")[:limit])


def decision_of(decision_id: UUID, *, organization_id: UUID | None = None) -> Decision | None:
    """One decision, or None; with ``organization_id`` only that tenant's."""
    found = Decision.objects.filter(id=decision_id)
    if organization_id is not None:
        found = found.filter(organization_id=organization_id)
    return found.first()
