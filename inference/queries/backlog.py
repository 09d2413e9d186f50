"""The queue: how long it is, where a job stands in it, and how long that takes."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, Q, Sum

from governance.kernel.tenancy import privileged
from inference.models import OPEN_STATES, EngineStatus, Generation, State

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


def waiting_facts(generation_id: UUID, state: str, *, at: datetime) -> dict[str, float | None]:
    """Place in the queue and estimated wait (s, None when unknown) of an open generation; of one that
    has ended nothing."""
    if state not in OPEN_STATES:
        return {}
    return {
        "queue_position": queue_position(generation_id) if state == State.QUEUED else 0,
        "estimated_wait_s": estimated_wait(generation_id, at=at),
    }


@privileged()
def estimated_wait(generation_id: UUID, *, at: datetime) -> float | None:
    """Seconds until an open generation is done: what runs is counted by the steps that are left.

    A queued one waits for all that runs and all that was queued before it, at the speed of all
    engines; a running one for itself, at the speed of one. None when no engine is alive or none has
    measured its speed. Fair share may serve a tenant that waits for less sooner.
    """
    speeds = engine_speeds(at=at, alive_within_s=30)
    if not speeds:
        return None
    running = Q(state=State.RUNNING)
    if Generation.objects.filter(running, id=generation_id).exists():
        return round(work_left(running & Q(id=generation_id)) / (sum(speeds) / len(speeds)), 1)
    before = running | Q(state=State.QUEUED, id__lte=generation_id)
    return round(work_left(before) / sum(speeds), 1)


def work_left(which: Q) -> float:
    """GFLOP that the steps still to be made of these generations need."""
    left = F("work_gflop") * (F("steps") - F("step")) / F("steps")
    return float(Generation.objects.filter(which).aggregate(work=Sum(left))["work"] or 0)


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
    return sum(engine_speeds(at=at, alive_within_s=alive_within_s))


def engine_speeds(*, at: datetime, alive_within_s: int) -> list[int]:
    """GFLOP a second of each engine that was seen lately and has measured its speed."""
    return [
        engine.gflop_per_second
        for engine in EngineStatus.objects.all()
        if engine.gflop_per_second and (at - engine.seen_at).total_seconds() <= alive_within_s
    ]
