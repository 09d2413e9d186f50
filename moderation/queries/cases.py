"""Reading the review queue: what waits, one case in full, how far reviewers agree."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count

from moderation.models import (
    Appeal,
    CaseKind,
    CaseState,
    Decision,
    Evidence,
    Judgement,
    ReviewCase,
    Reviewer,
    UserReport,
)
from moderation.queries.decisions import DecisionLine, decisions_of_job

PAGE = 100
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class QueueRow:
    """One open case as a row of the queue. ``pressing`` is severity times age in hours."""

    id: UUID
    kind: str
    item: str
    severity: int
    age: timedelta
    pressing: int
    leased: bool


@dataclass(frozen=True)
class CaseDetail:
    """One case with all that a reviewer needs. Judgements are empty where the look is blind."""

    case: ReviewCase
    decision: Decision
    timeline: list[DecisionLine]
    judgements: list[Judgement]
    evidence_id: UUID | None
    appeal: Appeal | None
    reports: list[UserReport]


@dataclass(frozen=True)
class Agreement:
    """Second looks compared with first judgements; ``kappa`` is Cohen's, None below two pairs."""

    pairs: int
    agreed: int
    kappa: float | None


def open_queue(*, at: datetime) -> list[QueueRow]:
    """Open cases, the most pressing first, at most a hundred."""
    cases = ReviewCase.objects.filter(state=CaseState.OPEN).order_by("-severity", "opened_at")
    rows = [_row(case, at) for case in cases[: 5 * PAGE]]
    return sorted(rows, key=lambda row: -row.pressing)[:PAGE]


def queue_counts() -> dict[str, int]:
    """Open cases by kind."""
    counted = ReviewCase.objects.filter(state=CaseState.OPEN).values("kind")
    return {row["kind"]: row["open"] for row in counted.annotate(open=Count("id"))}


def case_detail(case_id: UUID) -> CaseDetail | None:
    """The case, its decision and timeline, or None. A second look does not show the first one."""
    case = ReviewCase.objects.select_related("decision").filter(id=case_id).first()
    if case is None:
        return None
    decision = case.decision
    earlier = Judgement.objects.filter(case__decision_id=decision.id).select_related("reviewer")
    blind = case.kind == CaseKind.SECOND_LOOK or case.judgements_needed > 1
    return CaseDetail(
        case=case,
        decision=decision,
        timeline=decisions_of_job(decision.job_id),
        judgements=[] if blind and case.state == CaseState.OPEN else list(earlier.order_by("at")),
        evidence_id=_evidence(decision.id),
        appeal=Appeal.objects.filter(decision_id=decision.id).first(),
        reports=list(case.reports.order_by("at")),
    )


def reviewer_of(user_id: UUID) -> Reviewer | None:
    """The person as a reviewer, or None."""
    return Reviewer.objects.filter(user_id=user_id, active=True).first()


def agreement() -> Agreement:
    """How far second looks agree with first judgements."""
    pairs = [
        (first, second.verdict)
        for second in Judgement.objects.filter(case__kind=CaseKind.SECOND_LOOK)
        .select_related("case")
        .order_by("-at")[:1000]
        if (first := _first_verdict(second))
    ]
    agreed = sum(a == b for a, b in pairs)
    return Agreement(len(pairs), agreed, cohens_kappa(pairs))


def cohens_kappa(pairs: list[tuple[str, str]]) -> float | None:
    """Cohen's kappa (1960): agreement beyond chance, 1 is full; None where it is not defined."""
    if len(pairs) < 2:  # noqa: PLR2004 (one pair says nothing)
        return None
    words = {word for pair in pairs for word in pair}
    observed = sum(a == b for a, b in pairs) / len(pairs)
    expected = (
        sum(sum(a == word for a, _ in pairs) * sum(b == word for _, b in pairs) for word in words)
        / len(pairs) ** 2
    )
    return None if expected == 1 else round((observed - expected) / (1 - expected), 3)


def _first_verdict(second: Judgement) -> str:
    first = (
        Judgement.objects.filter(case__decision_id=second.case.decision_id, at__lte=second.at)
        .exclude(id=second.id)
        .order_by("at")
        .first()
    )
    return first.verdict if first else ""


def _evidence(decision_id: UUID) -> UUID | None:
    return (
        Evidence.objects.filter(decision_id=decision_id, erased_at__isnull=True)
        .values_list("id", flat=True)
        .first()
    )


def _row(case: ReviewCase, at: datetime) -> QueueRow:
    age = max(at - case.opened_at, timedelta())
    leased = case.lease_until is not None and case.lease_until > at
    pressing = round(case.severity * (age / HOUR + 1))
    return QueueRow(case.id, case.kind, case.item, case.severity, age, pressing, leased)
