"""The review queue: leased to one reviewer at a time, judged with clause and reason."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.ids import uuid7
from governance.operations import audit
from moderation.models import (
    CaseKind,
    CaseState,
    Finding,
    Judgement,
    ReviewCase,
    Reviewer,
    ReviewerRole,
)
from moderation.operations.outcomes_of_review import apply_result

LEASE = timedelta(minutes=10)
SEVERE = 80
KINDS_BY_ROLE: dict[str, tuple[CaseKind, ...]] = {
    ReviewerRole.REVIEWER: (CaseKind.HELD, CaseKind.REPORT, CaseKind.SECOND_LOOK),
    ReviewerRole.SENIOR: (CaseKind.HELD, CaseKind.REPORT, CaseKind.SECOND_LOOK, CaseKind.ESCALATED),
    ReviewerRole.APPEALS: (CaseKind.APPEAL,),
    ReviewerRole.CHILD_SAFETY: (CaseKind.CHILD_SAFETY,),
    ReviewerRole.AUDITOR: (),
}
# Severity times age in hours: what is grave comes first, and nothing waits for ever.
PRIORITY = "severity * (EXTRACT(EPOCH FROM (%s - opened_at)) / 3600 + 1)"


class NotAReviewer(DomainError):
    """This person may not review, or not this kind of case."""

    code = "not_a_reviewer"
    title = "You may not review this"
    status = 403


class ExposureLimitReached(DomainError):
    """Enough severe cases for one day; other work goes on tomorrow."""

    code = "exposure_limit_reached"
    title = "You have reviewed enough severe cases today"
    status = 409


class LeaseLost(DomainError):
    """The case is leased to somebody else by now, or decided."""

    code = "lease_lost"
    title = "This case is no longer yours"
    status = 409


class JudgedBefore(DomainError):
    """The same person never judges one decision twice: another one must."""

    code = "judged_before"
    title = "Somebody else must decide this"
    status = 409


@transaction.atomic
def claim_case(*, reviewer_id: UUID, at: datetime) -> ReviewCase | None:
    """Lease the most pressing case for ten minutes; None when there is none for this person.

    A reviewer holds one case at a time: asked again, the same with a new lease. Raises NotAReviewer.
    Cases of a decision that this person judged before are never offered.
    """
    reviewer = _reviewer(reviewer_id)
    own = ReviewCase.objects.select_for_update().filter(
        leased_by_id=reviewer_id, state=CaseState.OPEN
    )
    case = own.first()
    if case is None or (case.lease_until is not None and case.lease_until <= at):
        own.update(leased_by=None, lease_until=None)
        case = _most_pressing(reviewer, at)
    if case is None:
        return None
    case.leased_by_id, case.lease_until = reviewer_id, at + LEASE
    case.lease_epoch += 1
    case.save(update_fields=["leased_by", "lease_until", "lease_epoch"])
    return case


@transaction.atomic
def return_case(*, case_id: UUID, reviewer_id: UUID, lease_epoch: int) -> None:
    """Give a case back unjudged. Raises LeaseLost."""
    case = ReviewCase.objects.select_for_update().filter(id=case_id).first()
    if case is None or case.leased_by_id != reviewer_id or case.lease_epoch != lease_epoch:
        raise LeaseLost("The case is not leased to you.")
    case.leased_by, case.lease_until = None, None
    case.save(update_fields=["leased_by", "lease_until"])


@transaction.atomic
def judge_case(
    *,
    case_id: UUID,
    lease_epoch: int,
    finding: Finding,
    item: str,
    reason: str,
    actor: Actor,
    at: datetime,
) -> ReviewCase:
    """Write a judgement on a leased case, and decide the case when enough people agree.

    Raises LeaseLost, NotAReviewer, JudgedBefore, ReasonMissing. Not idempotent: the lease ends.
    """
    reviewer_id = UUID(actor.id)
    _reviewer(reviewer_id)
    if not reason.strip():
        raise ReasonMissing("Give the reason in a sentence; the user will read it.")
    case = ReviewCase.objects.select_for_update().filter(id=case_id).first()
    if case is None:
        raise NotFound("There is no such case.")
    _check_lease(case, reviewer_id, lease_epoch, at)
    _write(case, reviewer_id, finding, item, reason, at)
    case.leased_by, case.lease_until = None, None
    result = _result(case)
    if result is not None:
        case.state, case.result, case.decided_at = CaseState.DECIDED, result, at
    case.save(update_fields=["leased_by", "lease_until", "state", "result", "decided_at"])
    audit.record(
        act="case.judged",
        actor=actor,
        organization_id=case.organization_id,
        subject_kind="case",
        subject_id=case.id,
        facts={
            "finding": finding,
            "item": item,
            "kind": case.kind,
            "decided": result is not None,
            "decision": str(case.decision_id),
            "waited_s": int((at - case.opened_at).total_seconds()),
        },
    )
    if result is not None:
        apply_result(case=case, reason=reason, actor=actor, at=at)
    return case


class ReasonMissing(DomainError):
    """A judgement without a reason is none."""

    code = "reason_missing"
    title = "A reason is needed"
    status = 400


def _reviewer(user_id: UUID) -> Reviewer:
    reviewer = Reviewer.objects.filter(user_id=user_id, active=True, user__is_active=True).first()
    if reviewer is None:
        raise NotAReviewer("Ask the operator to make you a reviewer.")
    return reviewer


def _kinds(reviewer: Reviewer) -> set[CaseKind]:
    return {kind for role in reviewer.roles for kind in KINDS_BY_ROLE.get(role, ())}


def _most_pressing(reviewer: Reviewer, at: datetime) -> ReviewCase | None:
    kinds = _kinds(reviewer)
    if not kinds:
        raise NotAReviewer("Your role reads cases but does not judge them.")
    queue = claimable(reviewer, kinds, at)
    if _severe_today(reviewer, at) >= reviewer.daily_limit:
        if not queue.filter(severity__lt=SEVERE).exists() and queue.exists():
            raise ExposureLimitReached(
                f"You have judged {reviewer.daily_limit} severe cases today. Take a break; the rest "
                "goes to others."
            )
        queue = queue.filter(severity__lt=SEVERE)
    return queue.select_for_update(skip_locked=True, of=("self",)).first()


def claimable(reviewer: Reviewer, kinds: set[CaseKind], at: datetime) -> QuerySet[ReviewCase]:
    """Open cases that nobody holds and whose decision this person has not judged, worst first."""
    judged = Judgement.objects.filter(
        reviewer_id=reviewer.user_id, case__decision_id=OuterRef("decision_id")
    )
    return (
        ReviewCase.objects.filter(
            Q(lease_until__isnull=True) | Q(lease_until__lte=at),
            ~Exists(judged),
            state=CaseState.OPEN,
            kind__in=kinds,
        )
        .annotate(priority=RawSQL(PRIORITY, [at]))  # noqa: S611 (a constant with a bound parameter)
        .order_by(F("priority").desc(), "opened_at", "id")
    )


def _severe_today(reviewer: Reviewer, at: datetime) -> int:
    return Judgement.objects.filter(
        reviewer_id=reviewer.user_id, at__date=at.date(), case__severity__gte=SEVERE
    ).count()


def _check_lease(case: ReviewCase, reviewer_id: UUID, lease_epoch: int, at: datetime) -> None:
    held = (
        case.state == CaseState.OPEN
        and case.leased_by_id == reviewer_id
        and case.lease_epoch == lease_epoch
        and case.lease_until is not None
        and case.lease_until > at
    )
    if not held:
        raise LeaseLost("The lease has ended or somebody else holds the case. Take it again.")


def _write(
    case: ReviewCase, reviewer_id: UUID, finding: Finding, item: str, reason: str, at: datetime
) -> None:
    try:
        with transaction.atomic():
            Judgement.objects.create(
                id=uuid7(),
                case=case,
                reviewer_id=reviewer_id,
                verdict=finding,
                item=item,
                reason=reason,
                at=at,
            )
    except IntegrityError as refused:
        raise JudgedBefore("You have judged this decision before.") from refused


def _result(case: ReviewCase) -> Finding | None:
    """The result once enough people agree; people who disagree make it an escalation."""
    findings = list(case.judgements.values_list("verdict", flat=True))
    if Finding.ESCALATE in findings or len(set(findings)) > 1:
        return Finding.ESCALATE
    return Finding(findings[0]) if len(findings) >= case.judgements_needed else None
