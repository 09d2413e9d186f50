"""The engines as an operator sees them: what each holds, does, did and complains of."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Sum

from inference.models import EngineStatus, Generation, State
from inference.queries.engines import SEEN_WITHIN

LISTED = 50
SHOWN_FOR = timedelta(days=1)
TONES = {
    "ready": ("good", "check"),
    "busy": ("good", "play"),
    "starting": ("", "clock"),
    "draining": ("warn", "clock"),
    "halted": ("warn", "stop"),
    "unregistered": ("bad", "warning"),
    "unloaded": ("bad", "warning"),
    "failed": ("bad", "warning"),
}


@dataclass(frozen=True)
class JobUnderWay:
    """One job that an engine has: its step of how many, its organization for the link."""

    id: UUID
    organization: str
    step: int
    steps: int
    attempt: int


@dataclass(frozen=True)
class Worker:
    """One engine. ``alive``: it reported within a minute; speed in nominal GFLOP/s."""

    name: str
    release: str
    device: str
    state: str
    tone: str
    icon: str
    detail: str
    jobs: tuple[JobUnderWay, ...]
    jobs_done: int
    gflop_per_second: int
    self_tested_at: datetime | None
    seen_at: datetime
    alive: bool


@dataclass(frozen=True)
class Waiting:
    """Queued work of one release, and how long its engines need for it; None: nobody serves it."""

    release: str
    jobs: int
    seconds: float | None


def workers(*, at: datetime) -> list[Worker]:
    """Engines that reported within a day, the living first."""
    rows = EngineStatus.objects.filter(seen_at__gt=at - SHOWN_FOR).order_by("-seen_at")[:LISTED]
    jobs = jobs_by_worker()
    found = [as_worker(row, jobs[row.worker], at) for row in rows]
    return sorted(found, key=lambda worker: (not worker.alive, worker.name))


def as_worker(row: EngineStatus, jobs: list[JobUnderWay], at: datetime) -> Worker:
    """One row; one that has not reported for a minute is silent, whatever it said last."""
    alive = at - row.seen_at < SEEN_WITHIN and row.state != "stopped"
    tone, icon = TONES.get(row.state, ("", "info")) if alive else ("", "stop")
    return Worker(
        name=row.worker,
        release=row.release_slug,
        device=row.device,
        state=row.state if alive or row.state == "stopped" else "silent",
        tone=tone,
        icon=icon,
        detail=row.detail,
        jobs=tuple(jobs) if alive else (),
        jobs_done=row.jobs_done,
        gflop_per_second=row.gflop_per_second,
        self_tested_at=row.self_tested_at,
        seen_at=row.seen_at,
        alive=alive,
    )


def jobs_by_worker() -> dict[str, list[JobUnderWay]]:
    """Running jobs by the engine that has their lease, oldest first."""
    found: dict[str, list[JobUnderWay]] = defaultdict(list)
    running = Generation.objects.filter(state=State.RUNNING).select_related("organization")
    for job in running.order_by("started_at")[: LISTED * 16]:
        found[job.worker].append(
            JobUnderWay(job.id, job.organization.slug, job.step, job.steps, job.attempts)
        )
    return found


def backlog_by_release(*, at: datetime) -> list[Waiting]:
    """Queued jobs by release, with the seconds that its living engines need for them."""
    speeds: dict[str, int] = defaultdict(int)
    for slug, speed in EngineStatus.objects.filter(seen_at__gt=at - SEEN_WITHIN).values_list(
        "release_slug", "gflop_per_second"
    ):
        speeds[slug] += speed
    rows = (
        Generation.objects.filter(state=State.QUEUED)
        .values_list("release__slug")
        .annotate(jobs=Count("id"), work=Sum("work_gflop"))
        .order_by("release__slug")
    )
    return [
        Waiting(slug, jobs, work / speeds[slug] if speeds[slug] else None)
        for slug, jobs, work in rows
    ]


def last_failures(*, limit: int = 10) -> list[Generation]:
    """The last jobs that failed in an engine, newest first."""
    return list(
        Generation.objects.filter(state=State.FAILED)
        .exclude(error_code="prompt_too_long")
        .select_related("organization")
        .order_by("-finished_at")[:limit]
    )
