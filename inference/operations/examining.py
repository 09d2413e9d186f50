"""Examinations of the model's files, the engines, and jobs that should have ended."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from governance.kernel.diagnosis import Diagnosis, Examination, broken, by_age, fine, warning
from governance.operations.releases import hashed_files, weights_sha256
from governance.queries.releases import sha256_is_registered
from inference.models import EngineStatus, Generation, State

SEEN_WITHIN = timedelta(seconds=30)
# A dead lease is swept within 15 s.
OVERDUE_WARNING_S, OVERDUE_BROKEN_S = 30.0, 120.0
WAIT_WARNING_S, WAIT_BROKEN_S = 300.0, 1800.0
GONE = timedelta(days=1)
STUCK = "docs/runbooks/stuck-jobs.md"
MODEL = "Mend LICET_MODEL, or register its files with `manage.py register_model`."


def look_at_model(_at: datetime) -> Diagnosis:
    """The model folder on this machine, and that its hash is that of a registered, active release."""
    if not Path(settings.MODEL_FOLDER).is_dir():
        return remote_model()
    files = hashed_files(Path(settings.MODEL_FOLDER))
    if not files:
        return broken(f"{settings.MODEL_FOLDER} is empty", MODEL)
    sha256 = weights_sha256(files)
    if not sha256_is_registered(sha256):
        return broken(f"sha256 {sha256[:12]} is no active release: the files were changed", MODEL)
    return fine(f"{settings.MODEL_FOLDER}: {len(files)} files, sha256 {sha256[:12]}")


def remote_model() -> Diagnosis:
    """What can be said where the files are not in a folder of this machine."""
    if settings.MODEL_REVISION:
        return warning(
            f"{settings.MODEL_FOLDER} at {settings.MODEL_REVISION[:12]} is on the engine's host",
            "Run the doctor there as well.",
        )
    return broken(f"{settings.MODEL_FOLDER} is no folder", MODEL)


def look_at_engines(at: datetime) -> Diagnosis:
    """Engines that reported within 30 s; those silent since less than a day are named."""
    lately = list(EngineStatus.objects.filter(seen_at__gt=at - GONE).order_by("-seen_at"))
    alive = [
        each
        for each in lately
        if each.state in {"ready", "busy"} and at - each.seen_at < SEEN_WITHIN
    ]
    remedy = "docs/runbooks/lost-gpu.md"
    if not alive:
        last = f": {lately[0].state} {lately[0].detail}".rstrip() if lately else ""
        return broken(f"no engine is ready{last}", remedy)
    return fine(", ".join(f"{each.release_slug} on {each.device}" for each in alive))


def look_at_jobs(at: datetime) -> Diagnosis:
    """The running job whose lease is over for longest."""
    dead = Generation.objects.filter(state=State.RUNNING, lease_until__lt=at)
    oldest = dead.order_by("lease_until").values_list("lease_until", flat=True).first()
    if oldest is None:
        return fine("every running job has a lease")
    return by_age(
        (at - oldest).total_seconds(),
        f"{dead.count()} running jobs have no lease, the oldest",
        warn_s=OVERDUE_WARNING_S,
        broken_s=OVERDUE_BROKEN_S,
        remedy=STUCK,
    )


def look_at_queue(at: datetime) -> Diagnosis:
    """The queued job that waits longest."""
    waiting = Generation.objects.filter(state=State.QUEUED)
    oldest = waiting.order_by("created_at").values_list("created_at", flat=True).first()
    if oldest is None:
        return fine("no job waits")
    return by_age(
        (at - oldest).total_seconds(),
        f"{waiting.count()} jobs wait, the oldest",
        warn_s=WAIT_WARNING_S,
        broken_s=WAIT_BROKEN_S,
        remedy=STUCK,
    )


EXAMINATIONS = (
    # Reads every byte of the model.
    Examination("model", look_at_model, MODEL, needs_database=True, is_slow=True),
    Examination("engines", look_at_engines, "docs/runbooks/lost-gpu.md", needs_database=True),
    Examination("leases", look_at_jobs, STUCK, needs_database=True),
    Examination("queue", look_at_queue, STUCK, needs_database=True),
)
