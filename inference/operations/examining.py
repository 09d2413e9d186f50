"""Examinations of the model's files, the engines, and jobs that should have ended."""

from datetime import datetime
from pathlib import Path

from django.conf import settings

from governance.kernel.diagnosis import Diagnosis, Examination, broken, fine, probed, warning
from governance.operations.examining_queues import by_oldest
from governance.operations.releases import hashed_files, weights_sha256
from governance.queries.releases import sha256_is_registered
from inference.models import Generation, State
from inference.queries.engines import probe_engine

# A dead lease is swept within 15 s.
OVERDUE_WARNING_S, OVERDUE_BROKEN_S = 30.0, 120.0
WAIT_WARNING_S, WAIT_BROKEN_S = 300.0, 1800.0
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


def look_at_jobs(at: datetime) -> Diagnosis:
    """The running job whose lease is over for longest."""
    return by_oldest(
        Generation.objects.filter(state=State.RUNNING, lease_until__lt=at),
        "lease_until",
        at,
        none="every running job has a lease",
        what="running jobs have no lease",
        warn_s=OVERDUE_WARNING_S,
        broken_s=OVERDUE_BROKEN_S,
        remedy=STUCK,
    )


def look_at_queue(at: datetime) -> Diagnosis:
    """The queued job that waits longest."""
    return by_oldest(
        Generation.objects.filter(state=State.QUEUED),
        "created_at",
        at,
        none="no job waits",
        what="jobs wait",
        warn_s=WAIT_WARNING_S,
        broken_s=WAIT_BROKEN_S,
        remedy=STUCK,
    )


EXAMINATIONS = (
    # Reads every byte of the model.
    Examination("model", look_at_model, MODEL, needs_database=True, is_slow=True),
    probed("engines", probe_engine, "docs/runbooks/lost-gpu.md", needs_database=True),
    Examination("leases", look_at_jobs, STUCK, needs_database=True),
    Examination("queue", look_at_queue, STUCK, needs_database=True),
)
