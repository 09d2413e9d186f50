"""Celery: the janitors of money."""

from celery import shared_task
from django.utils.timezone import now

from billing.operations.resolving import resolve_open_holds

SCHEDULE = {
    "resolve-open-holds": {
        "task": "billing.tasks.resolve_holds",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
}


@shared_task
def resolve_holds() -> None:
    """Release what jobs that are over still hold."""
    resolve_open_holds(at=now())
