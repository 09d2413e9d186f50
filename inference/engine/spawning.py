"""Engine processes of this host: which there are, and how one is spawned.

Needs the settings but neither Django's apps nor Celery, so that an engine can load while they do.
"""

import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from django.conf import settings

ENGINE = "inference.engine.process"
DRIVER = Path("/proc/driver/nvidia/gpus")
# The process and our end of its connection.
Spawned = tuple["subprocess.Popen[bytes]", Connection]

_early: dict[tuple[str, str], Spawned] = {}


def engines_of_this_host() -> list[tuple[str, str]]:
    """Model and GPU of each engine: one per GPU, the models in turn; without GPUs one per model."""
    gpus = settings.GPUS or tuple(str(n) for n in range(count_gpus()))
    if not gpus:
        return [(model, "") for model in settings.MODELS]
    return [
        (settings.MODELS[number % len(settings.MODELS)], gpu) for number, gpu in enumerate(gpus)
    ]


def count_gpus() -> int:
    """NVIDIA GPUs of this host, from the driver's own list: CUDA is for the engines only."""
    return len(list(DRIVER.iterdir())) if DRIVER.is_dir() else 0


def spawn(model: str, gpu: str, *, program: str = ENGINE) -> Spawned:
    """A new process of the engine and our end of its connection; empty ``model``: the settings' first."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
        [sys.executable, "-m", program, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env={
            # Threads that spin while they wait starve the neighbours on a small machine.
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
            **os.environ,
            **({"LICET_MODEL": model} if model else {}),
            **({"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}),
            "LICET_SUPERVISOR_PID": str(os.getpid()),
        },
    )
    theirs.close()
    return process, Connection(ours.detach())


def spawn_early() -> None:
    """Begin to load every engine of this host; ``take_early`` hands them to their supervisors."""
    for model, gpu in engines_of_this_host():
        _early[model, gpu] = spawn(model, gpu)


def take_early(model: str, gpu: str) -> Spawned | None:
    """The process that was spawned early for this model and GPU, once; None where there is none."""
    return _early.pop((model, gpu), None)


def end_early() -> None:
    """End those that nobody took: this worker serves no generations."""
    while _early:
        process, connection = _early.popitem()[1]
        process.kill()
        process.wait()
        connection.close()
