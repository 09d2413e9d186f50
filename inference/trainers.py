"""The supervisor of trainings: one thread in a Celery worker that serves the queue ``training``.

Generations come first. Where training shares its device with engines, no training begins and no step
of one is made while a generation waits or runs; on a device of its own it need not ask.
"""

import logging
import os
import socket
import threading
import time
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, connections
from django.db.utils import DatabaseError, InterfaceError
from django.utils.timezone import now

from governance.kernel.errors import DomainError
from governance.operations.releases import hashed_files, weights_sha256
from governance.queries.releases import active_release_ids
from inference.engine.attempts import EngineNotReady
from inference.engine.card import model_slug
from inference.engine.spawning import engines_of_this_host
from inference.engine.training_client import TrainerProcess
from inference.operations.running import worker_actor
from inference.operations.training_finishing import give_back_training
from inference.operations.training_leases import TrainingLease, claim_training
from inference.operations.training_running import run_training
from inference.operations.training_sweeping import sweep_trainings
from inference.queries.training import generations_want_the_device

logger = logging.getLogger(__name__)
IDLE_LOOK_S = 2.0
ASK_EVERY_S = 0.5
RESTART_PAUSE_S = 30.0


class Courtesy:
    """Whether training may use the device now; the database is asked at most twice a second."""

    def __init__(self, *, shared: bool) -> None:
        self.shared = shared
        self._asked = float("-inf")
        self._allowed = True

    def __call__(self) -> bool:
        """True on a device of its own, else whether no generation wants it."""
        if not self.shared:
            return True
        if time.monotonic() - self._asked >= ASK_EVERY_S:
            self._asked = time.monotonic()
            self._allowed = not generations_want_the_device()
        return self._allowed


class TrainingSupervisor:
    """Takes one training at a time for as long as the Celery worker lives."""

    def __init__(self, *, shared: bool) -> None:
        self.worker = f"{socket.gethostname()}:{os.getpid()}:training"
        self.actor = worker_actor(self.worker)
        self.model = settings.TRAINING_MODEL
        self.trainer = TrainerProcess(self.model, settings.TRAINING_GPU)
        self.may_run = Courtesy(shared=shared)
        self.doorbell = threading.Event()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name="training", daemon=True)
        self._held: str | None = None

    def start(self) -> None:
        """Begin to serve in the background."""
        self.thread.start()

    def stop(self) -> None:
        """End the trainer and the thread; a running training is found by its lease."""
        self.stopping.set()
        self.doorbell.set()
        self.trainer.kill()
        self.thread.join(timeout=10)

    def run(self) -> None:
        """Until stopped. Survives a lost database."""
        while not self.stopping.is_set():
            try:
                close_old_connections()
                self.turn()
            except (DatabaseError, InterfaceError, OSError) as error:
                if not self.stopping.is_set():
                    logger.warning("trainings wait: %s", error)
                    self.stopping.wait(IDLE_LOOK_S)
        connections.close_all()

    def turn(self) -> None:
        """One look at the queue, and at most one attempt at a training."""
        self.doorbell.clear()
        sweep_trainings(at=now())
        lease = self.claim() if self.may_run() else None
        if lease is None:
            self.doorbell.wait(IDLE_LOOK_S)
            return
        try:
            ended = run_training(
                lease=lease, trainer=self.trainer, actor=self.actor, may_run=self.may_run
            )
            logger.info("training %s %s (attempt %d)", lease.job_id, ended, lease.epoch)
        except EngineNotReady as error:
            logger.error("the trainer did not start: %s", error)  # noqa: TRY400 (expected)
            give_back_training(
                lease=lease, reason=str(error), actor=self.actor, at=now(), counts=False
            )
            self.stopping.wait(RESTART_PAUSE_S)

    def claim(self) -> TrainingLease | None:
        """The next training, or None: nothing waits, or the operator has stopped everything."""
        try:
            return claim_training(worker=self.actor, release_ids=self.releases(), at=now())
        except DomainError as refusal:
            logger.info("no training is taken: %s", refusal.detail)
            return None

    def releases(self) -> list[UUID]:
        """The release whose weights are in the folder, to the byte, if it may be used."""
        if self._held is None and Path(self.model).is_dir():
            self._held = weights_sha256(hashed_files(Path(self.model)))
        if not self._held:
            return []
        return active_release_ids(model_slug(self.model), weights_sha256=self._held)


def shares_its_device(*, serves_generations: bool) -> bool:
    """Whether training and engines of this worker use the same device.

    A worker without the queue ``generation`` is taken to have a device of its own; with it, only a GPU
    that no engine uses (LICET_TRAINING_GPU beside LICET_GPUS) is one.
    """
    engines = {gpu for _, gpu in engines_of_this_host()}
    return serves_generations and (not settings.TRAINING_GPU or settings.TRAINING_GPU in engines)
