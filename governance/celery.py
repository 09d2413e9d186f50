"""The Celery application. A message is a doorbell that carries an id; the truth is in PostgreSQL."""

import os
from importlib import import_module

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

app = Celery("licet")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Each app says in its own tasks.py what beat shall ring for and how often. Named as strings, so that
# no import edge arises upwards.
TASK_MODULES = ("governance.tasks", "moderation.tasks", "billing.tasks", "inference.tasks")


@app.on_after_finalize.connect
def schedule(sender: Celery, **_: object) -> None:
    """Collect the apps' schedules once all of them are loaded."""
    for name in TASK_MODULES:
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        sender.conf.beat_schedule.update(getattr(module, "SCHEDULE", {}))
