"""Reading the ledger for people."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.models import Hold, HoldState
from governance.kernel.money import format_usd


@dataclass(frozen=True)
class JobLine:
    """One money event of one job; µUSD as the tenant sees it: holds and charges positive."""

    at: datetime
    kind: str
    amount_microusd: int
    text: str


def lines_of_job(job_id: UUID) -> list[JobLine]:
    """What was set aside, charged and released for a job, in order."""
    hold = Hold.objects.filter(job_id=job_id).first()
    if hold is None:
        return []
    lines = [JobLine(hold.created_at, "hold", hold.amount, f"{format_usd(hold.amount)} set aside")]
    if hold.resolved_at is None:
        return lines
    if hold.captured:
        text = f"{format_usd(hold.captured)} charged"
        lines.append(JobLine(hold.resolved_at, "capture", hold.captured, text))
    released = hold.amount - hold.captured
    if released:
        reason = f": {hold.reason}" if hold.reason else ""
        text = f"{format_usd(released)} released{reason}"
        kind = "release" if hold.state == HoldState.CAPTURED else hold.state
        lines.append(JobLine(hold.resolved_at, kind, released, text))
    return lines
