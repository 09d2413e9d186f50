"""Celery: doorbells for the supervisor, and the sweeper behind them."""

import logging
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from inference.operations import sweeping
from inference.supervisor import Supervisor

# The queue that only engine hosts consume; settings.CELERY_TASK_ROUTES sends the doorbell there.
QUEUE = "generation"
SCHEDULE = {
    "sweep-generations": {
        "task": "inference.tasks.sweep",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
}

logger = logging.getLogger(__name__)
supervisors: list[Supervisor] = []


@shared_task
def doorbell(generation_id: str) -> None:  # noqa: ARG001 (the id is for people reading the broker)
    """Wake the supervisors: there is work. Losing or doubling it changes nothing."""
    for supervisor in supervisors:
        supervisor.doorbell.set()


@shared_task
def sweep() -> None:
    """What dead workers and withdrawn models left behind."""
    sweeping.sweep(at=now())


def enqueue(generation_id: UUID) -> None:
    """Ring the doorbell for a committed job; a broker that is down costs a second, not the job."""
    try:
        doorbell.apply_async((str(generation_id),), retry=False)
    except (OSError, OperationalError) as error:
        logger.warning("doorbell for %s not sent, the poll will find it: %s", generation_id, error)


@worker_ready.connect
def start_supervisors(sender: object = None, **_: object) -> None:
    """Start an engine where this worker serves the generation queue."""
    queues = getattr(getattr(sender, "app", None), "amqp", None)
    consumed = queues.queues.consume_from if queues is not None else {}
    if QUEUE in consumed and not supervisors:
        supervisors.append(Supervisor())
        supervisors[0].start()


@worker_shutting_down.connect
def stop_supervisors(**_: object) -> None:
    """Stop the engines when the worker is told to go."""
    for supervisor in supervisors:
        supervisor.stop()
