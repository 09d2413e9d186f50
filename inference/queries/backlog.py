"""The queue: how long it is, where a job stands in it, and how long that takes."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, Sum

from governance.kernel.tenancy import privileged
from inference.models import EngineStatus, Generation, State

QUEUE_FRESH_S = 1.0


@dataclass(frozen=True)
class Queue:
    """All queued jobs together: how many, their GFLOP, and the engines' GFLOP a second."""

    jobs: int
    work_gflop: int
    speed: int

    def wait_s(self, work_gflop: int) -> float | None:
        """Seconds until a job of this work behind all of them is done; None when no engine lives."""
        return round((self.work_gflop + work_gflop) / self.speed, 1) if self.speed else None


_queue_seen: tuple[float, Queue] | None = None


@privileged()
def queue_lately(*, at: datetime) -> Queue:
    """The queue as it was at most a second ago: for the reply to a job that stands at its end, so that
    a long queue does not make every admission count it."""
    global _queue_seen  # noqa: PLW0603 (one small cache per process)
    if _queue_seen is None or time.monotonic() - _queue_seen[0] > QUEUE_FRESH_S:
        found = Generation.objects.filter(state=State.QUEUED).aggregate(
            jobs=Count("id"), work=Sum("work_gflop")
        )
        speed = engines_speed(at=at, alive_within_s=30)
        _queue_seen = (time.monotonic(), Queue(found["jobs"], found["work"] or 0, speed))
    return _queue_seen[1]


@privileged()
def queue_position(generation_id: UUID) -> int:
    """How many jobs of any tenant were queued before this one and still wait."""
    return Generation.objects.filter(state=State.QUEUED, id__lt=generation_id).count()


@privileged()
def estimated_wait(generation_id: UUID, *, at: datetime) -> float | None:
    """Seconds until a queued generation is done: what runs, what was queued before it, and itself.

    None when no engine is alive. Fair share may serve a tenant that waits for less sooner.
    """
    speed = engines_speed(at=at, alive_within_s=30)
    if not speed:
        return None
    before = Q(state=State.QUEUED, id__lte=generation_id) | Q(state=State.RUNNING)
    work = Generation.objects.filter(before).aggregate(work=Sum("work_gflop"))["work"]
    return round(float(work or 0) / speed, 1)


@privileged()
def backlog_seconds(*, at: datetime, alive_within_s: int = 30) -> float | None:
    """Seconds of queued work for the engines that are alive; None when none is alive."""
    speed = engines_speed(at=at, alive_within_s=alive_within_s)
    if not speed:
        return None
    queued = Generation.objects.filter(state=State.QUEUED).aggregate(work=Sum("work_gflop"))
    return float(queued["work"] or 0) / speed


def engines_speed(*, at: datetime, alive_within_s: int) -> int:
    """GFLOP a second of all engines that were seen lately; 0 when none was."""
    return sum(
        engine.gflop_per_second
        for engine in EngineStatus.objects.all()
        if (at - engine.seen_at).total_seconds() <= alive_within_s
    )
