"""The Celery application. A message is a doorbell that carries an id; the truth is in PostgreSQL."""

import os
from importlib import import_module
from typing import Any

from celery import Celery, Task, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

from governance.kernel import log_context
from governance.kernel.log_events import log_uncaught

app = Celery("licet")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Each app says in its own tasks.py what beat shall ring for and how often. Named as strings, so that
# no import edge arises upwards.
TASK_MODULES = ("governance.tasks", "moderation.tasks", "billing.tasks", "inference.tasks")


@signals.import_modules.connect
def schedule(sender: Celery, **_: object) -> None:
    """Collect the apps' schedules when a worker or beat has imported its tasks.

    Connected after autodiscovery, whose receiver has imported them by then.
    """
    for name in TASK_MODULES:
        sender.conf.beat_schedule.update(getattr(import_module(name), "SCHEDULE", {}))


# The header in which a message carries what the sender's log events tell.
CARRIED = "licet_context"


@signals.setup_logging.connect
def keep_our_logging(**_: object) -> None:
    """Celery's own handlers would print what ours redact; with a receiver here it sets up none."""
    log_uncaught()


@signals.before_task_publish.connect
def carry_context(headers: dict[str, Any], **_: object) -> None:
    """Whatever was known of the request when the task was sent is known in the task."""
    known = log_context.fields()
    if known:
        headers[CARRIED] = known


@signals.task_prerun.connect
def take_up_context(task: Task[Any, Any], **_: object) -> None:
    """The sender's context, and nothing of the task before."""
    carried = getattr(task.request, CARRIED, None) or {}
    log_context.begin(**{name: str(carried.get(name, "")) for name in log_context.CARRIED})


@signals.task_postrun.connect
def forget_context(**_: object) -> None:
    """The thread goes on to something else."""
    log_context.begin()
