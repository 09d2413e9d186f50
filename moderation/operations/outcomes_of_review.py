"""What a decided case leads to: allowances, strikes taken back, removals, second looks."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from governance.kernel.actors import Actor
from moderation.models import (
    Appeal,
    CaseKind,
    Finding,
    Judgement,
    Overturn,
    ReviewCase,
    Strike,
)
from moderation.operations.cases import open_case
from moderation.operations.removals import end_clock, request_removal
from moderation.operations.standing import LIFETIME, LIFETIMES, WEIGHTS, pardon

OVERTURN_LASTS = timedelta(days=365)
# One in twenty decided cases is judged again by somebody who does not see the first judgement.
SECOND_LOOK_ONE_IN = 20
NEVER_OVERTURNED_ITEM = "1"


def apply_result(*, case: ReviewCase, reason: str, actor: Actor, at: datetime) -> None:
    """Carry out the result of ``case``, in the transaction of its last judgement."""
    if case.result == Finding.ESCALATE:
        if case.kind != CaseKind.ESCALATED:
            open_case(decision=case.decision, kind=CaseKind.ESCALATED, item=case.item, at=at)
        return
    if case.kind == CaseKind.SECOND_LOOK:
        _compare(case, at)
        return
    _answer_appeal(case, reason, at)
    if case.kind == CaseKind.REPORT:
        _act_on_report(case, reason, actor, at)
    elif case.result == Finding.OVERTURN:
        _overturn(case, actor, at)
    elif case.kind == CaseKind.HELD:
        _strike_held(case)
    if _is_sampled(case.id):
        open_case(decision=case.decision, kind=CaseKind.SECOND_LOOK, item=case.item, at=at)


def _overturn(case: ReviewCase, actor: Actor, at: datetime) -> None:
    """The same bytes pass in the same organization from now on, and the strike is taken back.

    Item 1 is never overturned into an allowance: the strike goes, the refusal stays.
    """
    pardon(decision_id=case.decision_id, actor=actor, at=at)
    if case.item == NEVER_OVERTURNED_ITEM:
        return
    decision = case.decision
    Overturn.objects.get_or_create(
        decision_id=decision.id,
        defaults={
            "organization_id": decision.organization_id,
            "subject_sha256": decision.subject_sha256,
            "subject_kind": decision.subject_kind,
            "case_id": case.id,
            "reviewer_id": UUID(actor.id),
            "at": at,
            "expires_at": at + OVERTURN_LASTS,
        },
    )


def _strike_held(case: ReviewCase) -> None:
    """A held prompt that a person found against the policy counts like a blocked one."""
    decision = case.decision
    if decision.stage != "input" or not case.item or decision.actor_kind == "system":
        return
    Strike.objects.get_or_create(
        decision_id=decision.id,
        defaults={
            "organization_id": decision.organization_id,
            "actor_kind": decision.actor_kind,
            "actor_id": decision.actor_id,
            "item": case.item,
            "weight": WEIGHTS.get(case.item, 1),
            "at": decision.at,
            "expires_at": decision.at + LIFETIMES.get(case.item, LIFETIME),
        },
    )


def _answer_appeal(case: ReviewCase, reason: str, at: datetime) -> None:
    """The appeal is answered by its own case, or by the escalation of that case."""
    if case.kind not in {CaseKind.APPEAL, CaseKind.ESCALATED}:
        return
    state = "overturned" if case.result == Finding.OVERTURN else "upheld"
    Appeal.objects.filter(decision_id=case.decision_id, state="open").update(
        state=state, decided_at=at, answer=reason
    )


def _act_on_report(case: ReviewCase, reason: str, actor: Actor, at: datetime) -> None:
    """A report that is right leads to the image's removal; one that is wrong ends the clock it began."""
    report = case.reports.order_by("at").first()
    if report is None:
        return
    if case.result == Finding.OVERTURN:
        end_clock(
            job_id=report.job_id,
            index=report.index,
            by_two=case.judgements_needed > 1,
            reason=reason,
            actor=actor,
            at=at,
        )
        return
    request_removal(
        job_id=report.job_id,
        index=report.index,
        sha256=report.sha256,
        organization_id=report.organization_id,
        item=report.item,
        reason=reason,
        report=report,
        actor=actor,
        at=at,
    )


def _is_sampled(case_id: UUID) -> bool:
    """One in SECOND_LOOK_ONE_IN, by the case's hash, so that nobody can choose."""
    return hashlib.sha256(case_id.bytes).digest()[0] % SECOND_LOOK_ONE_IN == 0


def _compare(case: ReviewCase, at: datetime) -> None:
    """Two people who disagree make a case for somebody senior."""
    first = (
        Judgement.objects.filter(case__decision_id=case.decision_id)
        .exclude(case=case)
        .order_by("at")
        .first()
    )
    if first is not None and first.verdict != case.result:
        open_case(decision=case.decision, kind=CaseKind.ESCALATED, item=case.item, at=at)
