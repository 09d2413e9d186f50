"""Appeals against refusals, and reports of delivered images."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.operations import audit
from moderation.models import Appeal, CaseKind, Decision, UserReport
from moderation.operations.cases import open_case
from moderation.operations.removals import delivered_image, request_removal
from moderation.operations.vault import JustificationMissing

WINDOW = timedelta(days=183)
NOT_APPEALABLE = frozenset({"1"})
INTIMATE_ITEM = "2"
LONGEST_STATEMENT = 4000


class AppealClosed(DomainError):
    """This decision cannot be appealed: too late, never refused, or not by this way."""

    code = "appeal_closed"
    title = "This decision cannot be appealed"
    status = 409


@transaction.atomic
def file_appeal(
    *, decision_id: UUID, organization_id: UUID, statement: str, actor: Actor, at: datetime
) -> Appeal:
    """Ask that another person looks at a refusal. Filed twice, the first appeal stands.

    Raises NotFound (also for another organization's decision) and AppealClosed.
    """
    decision = Decision.objects.filter(id=decision_id, organization_id=organization_id).first()
    if decision is None:
        raise NotFound("There is no such decision.")
    existing = Appeal.objects.filter(decision=decision).first()
    if existing is not None:
        return existing
    _check_appealable(decision, at)
    case = open_case(decision=decision, kind=CaseKind.APPEAL, item=decision.item, at=at)
    appeal = Appeal.objects.create(
        organization_id=organization_id,
        decision=decision,
        case=case,
        appellant_kind=actor.kind,
        appellant_id=actor.id,
        statement=statement[:LONGEST_STATEMENT],
        opened_at=at,
    )
    audit.record(
        act="appeal.filed",
        actor=actor,
        organization_id=organization_id,
        subject_kind="decision",
        subject_id=decision.id,
        facts={"appeal": str(appeal.id), "item": decision.item},
    )
    return appeal


def _check_appealable(decision: Decision, at: datetime) -> None:
    if decision.outcome in {"allow", "label"}:
        raise AppealClosed("Nothing was refused.")
    if not decision.complete:
        raise AppealClosed(
            "The filter was not available; nothing was held against you. Send it again."
        )
    if decision.item in NOT_APPEALABLE:
        raise AppealClosed(
            "Decisions under item 1 are reviewed by two people and not appealed here."
        )
    if at - decision.at > WINDOW:
        raise AppealClosed(f"A decision can be appealed for {WINDOW.days} days.")


@transaction.atomic
def report_image(
    *,
    job_id: UUID,
    index: int,
    sha256: str,
    organization_id: UUID,
    item: str,
    statement: str,
    contact: str,
    actor: Actor,
    at: datetime,
) -> UserReport:
    """A report of a delivered image: a case for a person; for item 2 the 48-hour clock starts now.

    ``sha256`` is of the delivered file. Raises NotFound when the gate never judged such an image.
    """
    decision = (
        Decision.objects.filter(
            job_id=job_id, organization_id=organization_id, stage="output", index=index
        )
        .order_by("-at", "-id")
        .first()
    )
    if decision is None:
        raise NotFound("There is no such image.")
    case = open_case(decision=decision, kind=CaseKind.REPORT, item=item, at=at)
    report = UserReport.objects.create(
        organization_id=organization_id,
        job_id=job_id,
        index=index,
        sha256=sha256,
        item=item,
        statement=statement[:LONGEST_STATEMENT],
        contact=contact,
        reporter_kind=actor.kind,
        reporter_id=actor.id,
        at=at,
        case=case,
    )
    audit.record(
        act="image.reported",
        actor=actor,
        organization_id=organization_id,
        subject_kind="generation",
        subject_id=job_id,
        facts={"report": str(report.id), "index": index, "item": item},
    )
    if item == INTIMATE_ITEM:
        request_removal(
            job_id=job_id,
            index=index,
            sha256=sha256,
            organization_id=organization_id,
            item=item,
            reason="Reported as an intimate image without consent.",
            report=report,
            actor=actor,
            at=at,
        )
    return report


class ImageNotShown(DomainError):
    """A reported image that is never displayed, or is gone."""

    code = "image_not_shown"
    title = "The image cannot be shown"
    status = 409


@transaction.atomic
def open_reported_image(*, report_id: UUID, actor: Actor, justification: str) -> bytes:
    """A reported image for the person who judges the report; each opening is in the audit log.

    Raises JustificationMissing, NotFound and ImageNotShown (item 1 is never displayed).
    """
    if not justification.strip():
        raise JustificationMissing("Say why you open this; it is logged with your name.")
    report = UserReport.objects.filter(id=report_id).first()
    if report is None:
        raise NotFound("There is no such report.")
    data = None if report.item in NOT_APPEALABLE else delivered_image(report.job_id, report.index)
    if data is None:
        raise ImageNotShown("The image is gone, or its item is never displayed.")
    audit.record(
        act="image.opened",
        actor=actor,
        organization_id=report.organization_id,
        subject_kind="generation",
        subject_id=report.job_id,
        facts={"justification": justification[:500], "report": str(report.id)},
    )
    return data
