"""What engines report of themselves."""

from datetime import datetime
from uuid import UUID

from inference.models import EngineStatus

SMOOTHING = 0.3


def report_engine(
    *,
    worker: str,
    state: str,
    at: datetime,
    detail: str = "",
    release_slug: str = "",
    device: str = "",
    current_job: UUID | None = None,
) -> None:
    """Write an engine's last word; one row per worker."""
    fields: dict[str, object] = {
        "state": state,
        "detail": detail[:300],
        "seen_at": at,
        "current_job": current_job,
    }
    if release_slug:
        fields |= {"release_slug": release_slug, "device": device, "self_tested_at": at}
    EngineStatus.objects.update_or_create(worker=worker, defaults=fields)


def count_job(*, worker: str, work_gflop: int, seconds: float) -> None:
    """Learn the engine's speed from a finished attempt (exponential average, nominal GFLOP/s)."""
    row = EngineStatus.objects.get(worker=worker)
    measured = work_gflop / max(seconds, 0.001)
    before = row.gflop_per_second or measured
    row.gflop_per_second = round(before + SMOOTHING * (measured - before))
    row.jobs_done += 1
    row.save(update_fields=["gflop_per_second", "jobs_done"])


def engine_gone(*, worker: str, at: datetime) -> None:
    """The supervisor stops in good order."""
    EngineStatus.objects.filter(worker=worker).update(state="stopped", seen_at=at, current_job=None)
