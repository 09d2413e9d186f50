"""Celery: doorbells for the supervisor, and the sweeper behind them."""

import contextvars
import logging
import threading
import time
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from inference.engine.spawning import end_early, engines_of_this_host
from inference.operations import deleting, references, sweeping
from inference.operations.idempotency import forget_old_keys
from inference.operations.revoking import void_stopped
from inference.operations.training_sweeping import sweep_trainings
from inference.supervisor import Supervisor
from inference.trainers import TrainingSupervisor, shares_its_device

# The queue that only engine hosts consume; settings.CELERY_TASK_ROUTES sends the doorbell there.
QUEUE, TRAINING_QUEUE = "generation", "training"
SCHEDULE = {
    "sweep-generations": {
        "task": "inference.tasks.sweep",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "expire-images": {
        "task": "inference.tasks.expire_images",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}

BETWEEN_RINGS_S = 0.02

logger = logging.getLogger(__name__)
supervisors: list[Supervisor] = []
training_supervisors: list[TrainingSupervisor] = []


@shared_task
def doorbell(generation_id: str) -> None:  # noqa: ARG001 (the id is for people reading the broker)
    """Wake the supervisors: there is work. Losing or doubling it changes nothing."""
    for supervisor in supervisors:
        supervisor.doorbell.set()


@shared_task
def training_doorbell(job_id: str) -> None:  # noqa: ARG001 (the id is for people reading the broker)
    """Wake the supervisor of trainings. Losing or doubling it changes nothing."""
    for supervisor in training_supervisors:
        supervisor.doorbell.set()


@shared_task
def sweep() -> None:
    """What dead workers, withdrawn models and stopped organizations left behind."""
    sweeping.sweep(at=now())
    void_stopped(at=now())
    sweep_trainings(at=now())


@shared_task
def expire_images() -> None:
    """Images and references past their organization's retention, and idempotency keys past their day."""
    deleting.expire_images(at=now())
    references.expire_references(at=now())
    forget_old_keys(at=now())


class Doorman:
    """Rings for committed jobs on a thread of its own: the request does not wait for the broker, and
    many jobs at once are one ring. What is lost with the process is found by the supervisors' poll.
    """

    def __init__(self) -> None:
        self.wanted = threading.Event()
        self.latest = ""
        self.context = contextvars.Context()
        self.thread: threading.Thread | None = None
        self.starting = threading.Lock()

    def ring(self, generation_id: UUID) -> None:
        """Ask for a ring; returns at once."""
        self.latest, self.context = str(generation_id), contextvars.copy_context()
        self.wanted.set()
        if self.thread is None or not self.thread.is_alive():
            with self.starting:
                if self.thread is None or not self.thread.is_alive():
                    self.thread = threading.Thread(target=self.run, name="doorman", daemon=True)
                    self.thread.start()

    def run(self) -> None:
        """Until the process ends: one message for everything that was asked since the last."""
        while self.wanted.wait():
            self.wanted.clear()
            try:
                self.context.run(doorbell.apply_async, (self.latest,), retry=False)
            except (OSError, OperationalError) as error:
                logger.warning("the doorbell was not sent, the poll will find the job: %s", error)
            time.sleep(BETWEEN_RINGS_S)


doorman = Doorman()


def enqueue(generation_id: UUID) -> None:
    """Ring the doorbell for a committed job; a broker that is down costs a second, not the job."""
    doorman.ring(generation_id)


def enqueue_training(job_id: UUID) -> None:
    """Ring for a committed training; one that is not heard is found by the supervisor's poll."""
    try:
        training_doorbell.apply_async((str(job_id),), retry=False)
    except (OSError, OperationalError) as error:
        logger.warning("the training's doorbell was not sent: %s", error)


@worker_ready.connect
def start_supervisors(sender: object = None, **_: object) -> None:
    """Start engines where this worker serves the generation queue, trainings where it serves theirs."""
    queues = getattr(getattr(sender, "app", None), "amqp", None)
    consumed = queues.queues.consume_from if queues is not None else {}
    if QUEUE in consumed and not supervisors:
        for number, (model, gpu) in enumerate(engines_of_this_host()):
            supervisors.append(Supervisor(number, model=model, gpu=gpu))
            supervisors[-1].start()
    end_early()
    if TRAINING_QUEUE in consumed and not training_supervisors:
        shared = shares_its_device(serves_generations=QUEUE in consumed)
        training_supervisors.append(TrainingSupervisor(shared=shared))
        training_supervisors[-1].start()


@worker_shutting_down.connect
def dismiss_supervisors(sig: str = "", **_: object) -> None:
    """In the signal's handler: TERM lets the engines finish what they draw; a second one, Ctrl-C and
    QUIT do not.
    """
    patient = sig == "SIGTERM" and not any(each.is_draining for each in supervisors)
    for supervisor in supervisors:
        if patient:
            supervisor.drain()
        else:
            supervisor.stop()
    # A training goes on from its last checkpoint and has no image to finish.
    for training_supervisor in training_supervisors:
        training_supervisor.stop()


@worker_shutdown.connect
def await_supervisors(**_: object) -> None:
    """The worker has stopped consuming; it ends when its engines have."""
    for supervisor in supervisors:
        supervisor.await_end()
