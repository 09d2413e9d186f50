"""The supervisor: one thread per engine inside the Celery worker, woken by doorbells.

It holds no model and no CUDA. It claims jobs from PostgreSQL, gives them to its engine process and
writes how they ended. A doorbell only shortens the wait until its next look.
"""

import logging
import os
import socket
import threading
import time
from uuid import UUID

from django.conf import settings
from django.db import close_old_connections, connections
from django.db.utils import DatabaseError, InterfaceError
from django.utils.timezone import now

from governance.kernel.errors import DomainError
from governance.queries.releases import active_release_ids, is_revoked
from inference.engine.card import model_slug
from inference.engine.client import EngineNotReady, EngineProcess
from inference.models import Generation
from inference.operations.engines import count_job, engine_gone, report_engine
from inference.operations.leases import Lease, claim_next
from inference.operations.running import run_attempt, worker_actor
from inference.operations.sweeping import sweep

logger = logging.getLogger(__name__)

IDLE_LOOK_S = 1.0
HEARTBEAT_S = 5.0
RESTART_PAUSE_S = 5.0


class Supervisor:
    """Owns one engine process for as long as the Celery worker lives."""

    def __init__(self, number: int = 0) -> None:
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{number}"
        self.actor = worker_actor(self.worker)
        self.engine = EngineProcess()
        self.model = model_slug(settings.MODEL_FOLDER)
        self.doorbell = threading.Event()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name=f"engine-{number}", daemon=True)
        self._reported = 0.0

    def start(self) -> None:
        """Begin to serve in the background."""
        self.thread.start()

    def stop(self) -> None:
        """End the engine and the thread; a running job is found by its lease."""
        self.stopping.set()
        self.doorbell.set()
        self.engine.kill()
        self.thread.join(timeout=10)

    def run(self) -> None:
        """Until stopped: keep an engine alive, keep it busy. Survives a lost database."""
        while not self.stopping.is_set():
            try:
                close_old_connections()
                self.turn()
            except (DatabaseError, InterfaceError, OSError) as error:
                if not self.stopping.is_set():
                    logger.warning("waiting for the database: %s", error)
                    self.stopping.wait(IDLE_LOOK_S)
            except EngineNotReady as error:
                logger.error("the engine did not start: %s", error)  # noqa: TRY400 (expected)
                report_engine(worker=self.worker, state="failed", detail=str(error), at=now())
                self.stopping.wait(RESTART_PAUSE_S)
        self.leave()

    def turn(self) -> None:
        """One look at the queue: start an engine if there is none, run a job if there is one."""
        self.doorbell.clear()
        sweep(at=now())
        if is_revoked(self.model):
            self.unload()
            return
        if not self.engine.alive:
            self.start_engine()
        lease = self.claim()
        if lease is not None:
            self.work(lease)
        else:
            self.heartbeat("ready")
            self.doorbell.wait(IDLE_LOOK_S)

    def start_engine(self) -> None:
        """Spawn an engine and wait for its model and its gate. Raises EngineNotReady."""
        report_engine(worker=self.worker, state="starting", at=now())
        ready = self.engine.start(
            on_progress=lambda detail: report_engine(
                worker=self.worker, state="starting", detail=detail, at=now()
            )
        )
        report_engine(
            worker=self.worker,
            state="ready",
            release_slug=ready.model,
            device=ready.device,
            at=now(),
        )
        logger.info("engine ready: %s on %s, %.1f s", ready.model, ready.device, ready.self_test_s)

    def work(self, lease: Lease) -> None:
        """Run one attempt and learn the engine's speed from it."""
        report_engine(worker=self.worker, state="busy", current_job=lease.generation_id, at=now())
        started = time.monotonic()
        ended = run_attempt(lease=lease, engine=self.engine, actor=self.actor)
        if ended == "succeeded":
            job = Generation.objects.only("work_gflop").get(id=lease.generation_id)
            count_job(
                worker=self.worker,
                work_gflop=job.work_gflop,
                seconds=time.monotonic() - started,
            )
        logger.info("generation %s %s (attempt %d)", lease.generation_id, ended, lease.attempt)
        self._reported = 0.0

    def claim(self) -> Lease | None:
        """The next job, or None: nothing waits, or the operator has stopped everything."""
        try:
            return claim_next(worker=self.actor, release_ids=self.releases(), at=now())
        except DomainError as refusal:
            self.heartbeat("halted", refusal.detail)
            return None

    def unload(self) -> None:
        """The model was revoked: out of memory with it, and no engine until another is configured."""
        if self.engine.alive:
            logger.warning("%s was revoked; its engine is unloaded", self.model)
            self.engine.kill()
            self._reported = 0.0
        self.heartbeat("unloaded", f"{self.model} was revoked; set LICET_MODEL to another model")
        self.doorbell.wait(IDLE_LOOK_S)

    def releases(self) -> list[UUID]:
        """The releases this engine holds and the licence engine allows, asked before every claim."""
        return active_release_ids(self.model)

    def heartbeat(self, state: str, detail: str = "") -> None:
        """Say "alive" every five seconds."""
        if time.monotonic() - self._reported >= HEARTBEAT_S:
            self._reported = time.monotonic()
            report_engine(worker=self.worker, state=state, detail=detail, at=now())

    def leave(self) -> None:
        """Say goodbye, if the database still listens."""
        try:
            engine_gone(worker=self.worker, at=now())
        except (DatabaseError, InterfaceError, OSError):
            logger.info("the database went first")
        connections.close_all()
