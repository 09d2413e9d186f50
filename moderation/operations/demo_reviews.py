"""Reviews for the demo organization: an appeal in each state, reports, a removal whose clock runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from governance.kernel.actors import SYSTEM, Actor
from moderation.models import Finding as Finding  # noqa: PLC0414 (callers of Contested need it)
from moderation.models import ReviewCase, ReviewerRole, UserReport
from moderation.operations.appeals import AppealClosed, file_appeal, report_image
from moderation.operations.review import claim_case, judge_case, return_case
from moderation.operations.reviewers import appoint_reviewer

APPEALED_BEFORE, DECIDED_BEFORE = timedelta(days=4), timedelta(days=3)
REPORTS = (
    ("8", timedelta(days=1), "This looks like our logo."),
    ("2", timedelta(hours=5), "That is me, and I did not agree."),
)


@dataclass(frozen=True)
class Image:
    """A delivered image, by job and index, with the SHA-256 of its file."""

    job_id: UUID
    index: int
    sha256: str


@dataclass(frozen=True)
class Contested:
    """A refusal, what its appellant says, and how a person answers; no finding: the appeal stays open."""

    decision_id: UUID
    statement: str
    finding: Finding | None = None
    answer: str = ""


def appoint_demo_reviewers(*, operator_id: UUID, second_id: UUID) -> None:
    """Two people, because nobody judges one decision twice. The second one answers the appeals."""
    everything = (ReviewerRole.REVIEWER, ReviewerRole.SENIOR, ReviewerRole.APPEALS)
    appoint_reviewer(user_id=operator_id, roles=everything, actor=SYSTEM)
    appoint_reviewer(user_id=second_id, roles=(ReviewerRole.APPEALS,), actor=SYSTEM)


def seed_appeals(
    contested: list[Contested], *, organization_id: UUID, reviewer: Actor, at: datetime
) -> None:
    """File each appeal and answer it, where it has an answer. Safe to repeat."""
    for each in contested:
        try:
            appeal = file_appeal(
                decision_id=each.decision_id, organization_id=organization_id,
                statement=each.statement, actor=SYSTEM, at=at - APPEALED_BEFORE,
            )  # fmt: skip
        except AppealClosed:
            continue
        if each.finding is not None and appeal.state == "open":
            answer(appeal.case, each.finding, each.answer, reviewer, at - DECIDED_BEFORE)


def answer(case: ReviewCase, finding: Finding, reason: str, reviewer: Actor, at: datetime) -> None:
    """Judge the case, unless a visitor's own is more pressing: that one is left alone."""
    taken = claim_case(reviewer_id=UUID(reviewer.id), at=at)
    if taken is None:
        return
    if taken.id != case.id:
        return_case(case_id=taken.id, reviewer_id=UUID(reviewer.id), lease_epoch=taken.lease_epoch)
        return
    judge_case(
        case_id=case.id, lease_epoch=taken.lease_epoch, finding=finding, item=case.item,
        reason=reason, actor=reviewer, at=at,
    )  # fmt: skip


def seed_reports(images: list[Image], *, organization_id: UUID, at: datetime) -> None:
    """One report for each image, as far as there are any; item 2 starts the 48 hours. Once only."""
    if UserReport.objects.filter(organization_id=organization_id).exists():
        return
    for image, (item, before, statement) in zip(images, REPORTS, strict=False):
        report_image(
            job_id=image.job_id, index=image.index, sha256=image.sha256,
            organization_id=organization_id, item=item, statement=statement, contact="",
            actor=SYSTEM, at=at - before,
        )  # fmt: skip
