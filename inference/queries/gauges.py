"""Figures for Prometheus: jobs, engines, the backlog."""

from datetime import datetime, timedelta

from django.db.models import Count, Min

from governance.kernel.registry import Counter, Gauge, Metric
from inference.models import OPEN_STATES, EngineStatus, Generation, State
from inference.models.generations import FINAL_STATES
from inference.queries.backlog import backlog_seconds

LATELY = timedelta(minutes=5)


def job_gauges(at: datetime) -> list[Metric]:
    """Open jobs by state, those that ended in five minutes by end, engines by state, backlog in s."""
    open_jobs = dict.fromkeys(map(str, OPEN_STATES), 0) | tally(
        Generation.objects.filter(state__in=OPEN_STATES).values_list("state").annotate(Count("id"))
    )
    ended = dict.fromkeys(map(str, FINAL_STATES), 0) | tally(
        Generation.objects.filter(finished_at__gt=at - LATELY)
        .values_list("state")
        .annotate(Count("id"))
    )
    engines = tally(
        EngineStatus.objects.filter(seen_at__gt=at - LATELY)
        .values_list("state")
        .annotate(Count("worker"))
    )
    backlog = backlog_seconds(at=at)
    return [
        *labelled("licet_jobs_open", "jobs without an end", open_jobs),
        *labelled("licet_jobs_ended_5m", "jobs that ended in the last five minutes", ended),
        *labelled("licet_engines", "engines seen in the last five minutes", engines),
        *(
            [Gauge("licet_backlog_seconds", "queued work by the engines' speed", backlog)]
            if backlog is not None
            else []
        ),
        *oldest_job(at),
        *speeds(at),
    ]


def oldest_job(at: datetime) -> list[Metric]:
    """For how long the first of the queue waits, s; 0 for an empty one."""
    since = Generation.objects.filter(state=State.QUEUED).aggregate(at=Min("created_at"))["at"]
    age = (at - since).total_seconds() if since else 0.0
    return [Gauge("licet_queue_oldest_seconds", "for how long the oldest queued job waits", age)]


def speeds(at: datetime) -> list[Metric]:
    """Measured GFLOP a second of each engine seen lately, and the jobs that it has done."""
    told: list[Metric] = []
    for engine in EngineStatus.objects.filter(seen_at__gt=at - LATELY):
        labels = {"worker": engine.worker, "model": engine.release_slug}
        told += [
            Gauge("licet_engine_gflop_per_second", "measured", engine.gflop_per_second, labels),
            Counter("licet_engine_jobs_total", "jobs delivered", engine.jobs_done, labels),
        ]
    return told


def tally(rows: object) -> dict[str, int]:
    """Pairs of a state and a number."""
    return {str(state): int(number) for state, number in rows}  # type: ignore[attr-defined]


def labelled(name: str, about: str, numbers: dict[str, int]) -> list[Gauge]:
    """One gauge for each state."""
    return [Gauge(name, about, number, {"state": state}) for state, number in numbers.items()]
