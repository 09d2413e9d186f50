"""The Celery application. A message is a doorbell that carries an id; the truth is in PostgreSQL."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

app = Celery("licet")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
