"""Figures of all organizations' generations, for the operator's home."""

from datetime import datetime

from django.db.models import Count, Q

from governance.kernel.registry import OperatorTile
from governance.queries.lately import lately
from governance.templatetags.licet import seconds
from inference.models import Generation, State
from inference.queries.backlog import backlog_seconds
from moderation.queries.cases import queue_counts
from moderation.queries.filter_health import decided_counts

# Above this many seconds of queued work people notice that they wait.
LONG_BACKLOG_S = 120


def operator_figures(at: datetime) -> list[OperatorTile]:
    """Generations of this month, the gate's coverage, what waits for a person, what waits to run."""
    return [month(at), coverage(at), waiting_for_review(), backlog(at)]


def month(at: datetime) -> OperatorTile:
    """Requests since the first of the month (UTC) and what became of them."""
    first = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    counts = lately(f"month:{first:%Y-%m}", lambda: counted_since(first))
    about = f"{counts['delivered']:,} delivered, {counts['blocked']:,} blocked"
    return OperatorTile("Generations this month", f"{counts['all']:,}", about=about)


def counted_since(first: datetime) -> dict[str, int]:
    """Requests since ``first``: all, delivered, blocked."""
    return Generation.objects.filter(created_at__gte=first).aggregate(
        all=Count("id"),
        delivered=Count("id", filter=Q(state=State.SUCCEEDED)),
        blocked=Count("id", filter=Q(state=State.BLOCKED)),
    )


def coverage(at: datetime) -> OperatorTile:
    """The share of decisions for which every required classifier answered, in seven days."""
    counts = lately("decided", lambda: decided_counts(at=at))
    judged = counts["all"] - counts["incomplete"]
    share = judged / counts["all"] if counts["all"] else 1.0
    return OperatorTile(
        "Filter coverage",
        f"{100 * share:.4g}%",
        about=f"{judged:,} of {counts['all']:,} decisions in 7 days",
        url_name="moderation-health",
        tone="good" if counts["incomplete"] == 0 else "bad",
    )


def waiting_for_review() -> OperatorTile:
    """Open review cases."""
    waiting = sum(queue_counts().values())
    return OperatorTile(
        "Waiting for review",
        f"{waiting:,}",
        about="cases for a person" if waiting else "nothing waits",
        url_name="moderation-queue",
        tone="warn" if waiting else "",
    )


def backlog(at: datetime) -> OperatorTile:
    """Seconds of queued work for the engines that are alive."""
    wait = backlog_seconds(at=at)
    if wait is None:
        return OperatorTile(
            "Engine backlog", "no engine", about="queued work waits", url_name="workers", tone="bad"
        )
    tone = "warn" if wait > LONG_BACKLOG_S else ""
    return OperatorTile(
        "Engine backlog", seconds(wait) if wait else "none", url_name="workers", tone=tone
    )
