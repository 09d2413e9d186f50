"""The Celery application. A message is a doorbell that carries an id; the truth is in PostgreSQL."""

import os
from importlib import import_module

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

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
