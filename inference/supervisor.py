"""The supervisor: one thread per engine inside the Celery worker, woken by doorbells.

It holds no model and no CUDA. It claims jobs from PostgreSQL, hands each to a lane, which gives it to
the engine process and writes how it ended. Several lanes keep one engine busy: one job is drawn while
the next is prepared and the last is judged. A doorbell only shortens the wait until the next look.
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
from inference.engine.attempts import EngineNotReady
from inference.engine.card import model_slug
from inference.engine.client import EngineProcess
from inference.engine.protocol import Ready
from inference.engine.spawning import take_early
from inference.lanes import Lanes
from inference.models import Generation
from inference.operations.engines import count_job, engine_gone, report_engine
from inference.operations.leases import Lease, claim_next
from inference.operations.running import run_attempt, worker_actor
from inference.operations.sweeping import sweep

logger = logging.getLogger(__name__)

IDLE_LOOK_S = 1.0
HEARTBEAT_S = 5.0
RESTART_PAUSE_S = 5.0
# What jobs whose engine was ended need to write themselves back into the queue, where the database answers.
HAND_BACK_S = 10.0
TOLD_TO_GO = "the worker was told to go"


class Supervisor:
    """Owns one engine process for as long as the Celery worker lives."""

    def __init__(self, number: int = 0, *, model: str = "", gpu: str = "") -> None:
        self.worker = f"{socket.gethostname()}:{os.getpid()}:{number}"
        self.actor = worker_actor(self.worker)
        self.engine = EngineProcess(model, gpu, spawned=take_early(model, gpu))
        self.model = model_slug(model or settings.MODEL_FOLDER)
        self.lanes = Lanes(settings.ENGINE_LANES)
        self.doorbell = threading.Event()
        self.stopping = threading.Event()
        # When a worker that was told to go ends what it still draws; None: nobody told it.
        self.leave_by: float | None = None
        self.thread = threading.Thread(target=self.run, name=f"engine-{number}", daemon=True)
        self.announced: Ready | None = None
        self._reported = 0.0

    def start(self) -> None:
        """Begin to serve in the background."""
        self.thread.start()

    @property
    def is_draining(self) -> bool:
        """Whether it was told to go and claims nothing any more."""
        return self.leave_by is not None

    def drain(self) -> None:
        """Claim no more and end when what runs is done, after DRAIN_S at the latest. Returns at once, for
        it is called by a signal's handler; an engine that draws nothing, or still loads, ends here.
        """
        self.leave_by = time.monotonic() + settings.DRAIN_S
        if not self.lanes.jobs:
            self.dismiss()
        self.doorbell.set()

    def stop(self) -> None:
        """End engine and thread now. Running jobs go back to the queue without the loss of an attempt; one
        that cannot write that is found by its lease.
        """
        self.dismiss()
        self.await_end()

    def dismiss(self) -> None:
        """No engine any more; the thread and the lanes notice."""
        self.stopping.set()
        self.doorbell.set()
        self.engine.dismiss(TOLD_TO_GO)

    def await_end(self) -> None:
        """Until the thread has ended, or is overdue."""
        left = max(0.0, self.leave_by - time.monotonic()) if self.leave_by is not None else 0.0
        if self.thread.is_alive():
            self.thread.join(timeout=left + 2 * HAND_BACK_S)

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
                if self.stopping.is_set():
                    break
                logger.error("the engine did not start: %s", error)  # noqa: TRY400 (expected)
                report_engine(worker=self.worker, state="failed", detail=str(error), at=now())
                self.stopping.wait(RESTART_PAUSE_S)
        self.lanes.wait_empty(HAND_BACK_S)
        self.leave()

    def turn(self) -> None:
        """One look at the queue: start an engine if there is none, fill a lane if one is free."""
        self.doorbell.clear()
        if self.leave_by is not None:
            self.finish(self.leave_by)
            return
        sweep(at=now())
        if is_revoked(self.model):
            self.unload()
            return
        if not self.engine.alive:
            self.replace_engine()
            return
        if self.engine.ready is not None and self.engine.ready is not self.announced:
            self.announce(self.engine.ready)
        if not self.lanes.free:
            self.heartbeat("busy")
            self.lanes.wait(IDLE_LOOK_S)
            return
        if not self.lanes.jobs and not self.releases():
            self.report_unregistered()
            return
        lease = self.claim()
        if lease is not None:
            self.work(lease)
        else:
            self.heartbeat("busy" if self.lanes.jobs else "ready")
            self.doorbell.wait(IDLE_LOOK_S)

    def finish(self, leave_by: float) -> None:
        """One look of a worker that was told to go: it leaves when nothing runs or time is over."""
        if self.lanes.jobs and self.engine.alive and time.monotonic() < leave_by:
            self.heartbeat("draining", TOLD_TO_GO)
            self.lanes.wait(IDLE_LOOK_S)
        else:
            self.dismiss()

    def replace_engine(self) -> None:
        """Start an engine when the lanes of the last are empty: they learn of its end and give back."""
        if self.lanes.jobs:
            self.lanes.wait(IDLE_LOOK_S)
        else:
            self.start_engine()

    def start_engine(self) -> None:
        """Spawn an engine and wait for its model and its gate. Raises EngineNotReady."""
        report_engine(worker=self.worker, state="starting", at=now())
        ready = self.engine.start(on_progress=self.report_progress)
        logger.info("engine ready: %s on %s, %.1f s", ready.model, ready.device, ready.self_test_s)

    def report_progress(self, detail: str) -> None:
        """What a loading engine says. Without a database it loads on, and nobody hears it."""
        try:
            report_engine(worker=self.worker, state="starting", detail=detail, at=now())
        except (DatabaseError, InterfaceError, OSError) as error:
            logger.warning("the engine's progress was not written: %s", error)

    def announce(self, ready: Ready) -> None:
        """Write what this engine holds; tried again by the next turn where the database is away."""
        report_engine(
            worker=self.worker,
            state="ready",
            release_slug=ready.model,
            device=ready.device,
            at=now(),
        )
        self.announced = ready

    def work(self, lease: Lease) -> None:
        """Give the job a lane. One that an engine has ended on before runs with no other beside it."""
        self.lanes.enter(lease)
        self._reported = 0.0
        self.heartbeat("busy")
        threading.Thread(
            target=self.run_lane, args=(lease,), name=f"lane-{lease.generation_id}", daemon=True
        ).start()

    def run_lane(self, lease: Lease) -> None:
        """One attempt from lease to end, on a thread with a database connection of its own."""
        started = time.monotonic()
        try:
            ended = run_attempt(
                lease=lease, engine=self.engine, actor=self.actor, may_begin=self.may_begin
            )
            if ended == "succeeded":
                job = Generation.objects.only("work_gflop").get(id=lease.generation_id)
                count_job(
                    worker=self.worker,
                    work_gflop=job.work_gflop,
                    seconds=time.monotonic() - started,
                )
            elif ended == "unstored":
                # The lane waits: a full disk has no room in the next second either.
                self.stopping.wait(RESTART_PAUSE_S)
            logger.info("generation %s %s (attempt %d)", lease.generation_id, ended, lease.attempt)
        except (DatabaseError, InterfaceError, OSError) as error:
            logger.warning("generation %s is left to its lease: %s", lease.generation_id, error)
        finally:
            self.lanes.leave(lease)
            self.doorbell.set()
            connections.close_all()

    def may_begin(self, lease: Lease) -> bool:
        """Whether the job may go to the engine: a retry waits until it is alone in there."""
        return not lease.is_retry or len(self.lanes.jobs) == 1

    def claim(self) -> Lease | None:
        """The next job, or None: nothing waits, or the operator has stopped everything."""
        try:
            return claim_next(worker=self.actor, release_ids=self.releases(), at=now())
        except DomainError as refusal:
            self.heartbeat("halted", refusal.detail)
            return None

    def report_unregistered(self) -> None:
        """Say why an engine that is ready takes no job: its weights are not on record."""
        self.heartbeat(
            "unregistered",
            f"no active release {self.model} with these weights; run manage.py register_model",
        )
        self.doorbell.wait(IDLE_LOOK_S)

    def unload(self) -> None:
        """The model was revoked: out of memory with it, and no engine until another is configured."""
        if self.engine.alive:
            logger.warning("%s was revoked; its engine is unloaded", self.model)
            self._reported = 0.0
        self.engine.kill()
        self.heartbeat("unloaded", f"{self.model} was revoked; set LICET_MODEL to another model")
        self.doorbell.wait(IDLE_LOOK_S)

    def releases(self) -> list[UUID]:
        """The releases this engine holds, to the byte, and the licence engine allows.

        Asked before every claim, so that a revocation or other weights of the same name take effect.
        """
        held = self.engine.ready.weights_sha256 if self.engine.ready else ""
        return active_release_ids(self.model, weights_sha256=held)

    def heartbeat(self, state: str, detail: str = "") -> None:
        """Say "alive" every five seconds, and what is being drawn."""
        if time.monotonic() - self._reported >= HEARTBEAT_S:
            self._reported = time.monotonic()
            oldest = next(iter(self.lanes.jobs), None)
            report_engine(
                worker=self.worker, state=state, detail=detail, current_job=oldest, at=now()
            )

    def leave(self) -> None:
        """Say goodbye, if the database still listens."""
        try:
            engine_gone(worker=self.worker, at=now())
        except (DatabaseError, InterfaceError, OSError):
            logger.info("the database went first")
        connections.close_all()
