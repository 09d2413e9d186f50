"""Open holds whose job is over: resolved by the job's state, never by the clock alone."""

from datetime import datetime, timedelta

from billing.models import Hold, HoldState
from billing.operations.holds import expire_hold, void_hold
from billing.operations.resolution import job_states

BATCH = 500
# A job and its hold commit together, so an open hold without a job for so long has lost it.
ORPHAN_AFTER = timedelta(hours=1)


def resolve_open_holds(*, at: datetime, older_than: timedelta = timedelta(minutes=5)) -> int:
    """Release open holds of jobs that are over or gone; returns how many. Safe to repeat.

    A hold of a job that succeeded is left for reconciliation to report: only a delivery captures.
    """
    released = 0
    holds = Hold.objects.filter(state=HoldState.OPEN, created_at__lt=at - older_than)
    rows = list(holds.order_by("created_at").values_list("id", "job_id", "created_at")[:BATCH])
    states = job_states([job for _, job, _ in rows])
    for hold_id, job_id, created_at in rows:
        state, _ = states.get(job_id, ("unknown", False))
        if state in {"failed", "blocked", "cancelled"}:
            released += void_hold(hold_id=hold_id, reason=f"job {state}", at=at)
        elif state == "unknown" and created_at < at - ORPHAN_AFTER:
            released += expire_hold(hold_id=hold_id, at=at)
    return released
