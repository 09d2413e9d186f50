"""What a reporter without an account may read of their report."""

from dataclasses import dataclass
from datetime import datetime

from moderation.models import Finding, PublicReport, Removal


@dataclass(frozen=True)
class ReportState:
    """One report by its number. ``state`` is waiting, agreed, removed or kept; ``answer`` the
    reviewer's reason."""

    state: str
    item: str
    sent_at: datetime
    due_at: datetime
    closed_at: datetime | None
    answer: str


def report_by_number_hash(number_sha256: str) -> ReportState | None:
    """How the report with this number stands, or None; says nothing of the image or its owner."""
    found = PublicReport.objects.select_related("report__case").filter(number_sha256=number_sha256)
    public = found.first()
    if public is None:
        return None
    report = public.report
    removal = (
        Removal.objects.filter(job_id=report.job_id, index=report.index).order_by("-requested_at")
    ).first()
    assert removal is not None, "every public report starts a clock or joins one"
    judged = report.case.judgements.order_by("-at").first()
    decided_at = report.case.decided_at
    decided = decided_at is not None and decided_at > report.at
    return ReportState(
        state=_state(removal, upheld=decided and report.case.result == Finding.UPHOLD),
        item=report.item,
        sent_at=report.at,
        due_at=removal.due_at,
        closed_at=removal.closed_at,
        answer=judged.reason if judged is not None and decided else "",
    )


def _state(removal: Removal, *, upheld: bool) -> str:
    if removal.state == "open":
        return "agreed" if upheld else "waiting"
    return "removed" if removal.state == "removed" else "kept"
