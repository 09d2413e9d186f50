"""Writing down what the gate decided."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.operations import audit
from moderation.kernel.outcomes import worst
from moderation.kernel.passes import ScreenedPrompt
from moderation.kernel.verdicts import Verdict, verdict_from_json
from moderation.models import Decision, ShadowDecision, VerdictRow
from moderation.operations.cases import case_for_decision
from moderation.operations.refusals import GateRefusal
from moderation.operations.stages import GateUnavailable
from moderation.operations.standing import note_abuse, strike_for
from moderation.operations.vault import keep_evidence

Screened = ScreenedPrompt | GateRefusal | GateUnavailable


def record_prompt_decision(
    screened: Screened, *, job_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> None:
    """Append the decision on a prompt: inside the caller's transaction for an allowed prompt,
    alone for a refused one. Called twice for one screening, the first rows stand."""
    text = screened.text if isinstance(screened, GateRefusal) else ""
    _record(
        screened.verdicts,
        job_id=job_id,
        organization_id=organization_id,
        actor=actor,
        at=at,
        text=text,
    )


def record_image_decisions(
    *,
    verdicts: Iterable[Verdict | Mapping[str, Any]],
    job_id: UUID,
    organization_id: UUID,
    actor: Actor,
    at: datetime,
) -> None:
    """Append the decisions on a job's images, in the caller's transaction; ``verdicts`` of several
    images may come together, as objects or as the JSON that the engine sent. Called twice, the first
    rows stand."""
    found = [each if isinstance(each, Verdict) else verdict_from_json(each) for each in verdicts]
    _record(found, job_id=job_id, organization_id=organization_id, actor=actor, at=at)


@transaction.atomic
def _record(
    verdicts: Iterable[Verdict],
    *,
    job_id: UUID,
    organization_id: UUID,
    actor: Actor,
    at: datetime,
    text: str = "",
) -> None:
    ordered = sorted(verdicts, key=lambda each: each.decision_id)
    for decision_id, group in groupby(ordered, key=lambda each: each.decision_id):
        if not Decision.objects.filter(id=decision_id).exists():
            together = list(group)
            decision = _append(together, job_id, organization_id, actor, at)
            _note_trial(decision, together[0])
            if decision.outcome not in {"allow", "label"}:
                _follow_up(decision, text, actor)


def _note_trial(decision: Decision, first: Verdict) -> None:
    """What a shadow policy would have decided, beside the decision that counts."""
    trial = first.facts.get("shadow")
    if trial and trial["outcome"]:
        ShadowDecision.objects.create(
            decision_id=decision.id,
            policy_hash=trial["policy"],
            live_outcome=decision.outcome,
            shadow_outcome=trial["outcome"],
            item=trial["item"],
            at=decision.at,
        )


def _follow_up(decision: Decision, text: str, actor: Actor) -> None:
    """A refusal's audit entry, sealed evidence, strike and, where a person must look, its case."""
    audit.record(
        act=f"{decision.subject_kind}.withheld",
        actor=actor,
        organization_id=decision.organization_id,
        subject_kind="decision",
        subject_id=decision.id,
        facts={
            "job": str(decision.job_id),
            "stage": decision.stage,
            "outcome": decision.outcome,
            "item": decision.item,
            "policy": decision.policy_hash,
            "complete": decision.complete,
        },
    )
    if text:
        keep_evidence(
            plain=text.encode(),
            kind="prompt",
            decision_id=decision.id,
            organization_id=decision.organization_id,
            item=decision.item,
            at=decision.at,
        )
    strike_for(decision)
    note_abuse(decision)
    case_for_decision(decision)


def _append(
    verdicts: list[Verdict], job_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> Decision:
    decision = Decision.objects.create(
        **_decision_fields(verdicts),
        job_id=job_id,
        organization_id=organization_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        at=at,
    )
    VerdictRow.objects.bulk_create(_verdict_row(each, decision) for each in verdicts)
    return decision


def _decision_fields(verdicts: list[Verdict]) -> dict[str, object]:
    first = verdicts[0]
    outcome = worst(each.outcome for each in verdicts)
    deciding = max(verdicts, key=lambda each: (each.outcome.severity, each.status == "done"))
    return {
        "id": UUID(first.decision_id),
        "stage": first.stage,
        "subject_kind": first.subject_kind,
        "subject_sha256": first.subject_sha256,
        "attempt": first.attempt,
        "index": first.index,
        "policy_version": first.policy_version,
        "policy_hash": first.policy_hash,
        "outcome": str(outcome),
        "item": deciding.item,
        "reason": deciding.reason,
        "simhash": first.facts.get("simhash"),
        "complete": all(each.status == "done" for each in verdicts),
    }


def _verdict_row(verdict: Verdict, decision: Decision) -> VerdictRow:
    return VerdictRow(
        id=UUID(verdict.id),
        decision=decision,
        detector=verdict.detector,
        detector_version=verdict.detector_version,
        weights_sha256=verdict.weights_sha256,
        status=verdict.status,
        outcome=str(verdict.outcome),
        item=verdict.item,
        reason=verdict.reason,
        scores=verdict.scores,
        thresholds=verdict.thresholds,
        facts=verdict.facts,
        latency_ms=verdict.latency_ms,
        error=verdict.error,
    )
