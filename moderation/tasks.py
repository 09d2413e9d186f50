"""Celery: what time brings to the gate's records."""

import logging

from celery import shared_task
from django.utils.timezone import now

from moderation.operations.public_reports import erase_contacts
from moderation.operations.vault import erase_expired
from moderation.queries.appeals import overdue_removals

logger = logging.getLogger(__name__)
HOUR = 3600.0
SCHEDULE = {
    "erase-expired-evidence": {
        "task": "moderation.tasks.erase_expired_evidence",
        "schedule": HOUR,
        "options": {"expires": HOUR},
    },
    "erase-reporters-contacts": {
        "task": "moderation.tasks.erase_reporters_contacts",
        "schedule": 24 * HOUR,
        "options": {"expires": HOUR},
    },
    "warn-of-overdue-removals": {
        "task": "moderation.tasks.warn_of_overdue_removals",
        "schedule": HOUR / 4,
        "options": {"expires": HOUR / 4},
    },
}


@shared_task
def erase_expired_evidence() -> None:
    """Destroy the keys of evidence whose time is over, in batches; may come twice or never."""
    while erase_expired(at=now()):
        pass


@shared_task
def erase_reporters_contacts() -> None:
    """Forget the addresses of people whose reports are old, in batches; may come twice or never."""
    while erase_contacts(at=now()):
        pass


@shared_task
def warn_of_overdue_removals() -> None:
    """Say in the log which removals are past their 48 hours, until somebody removes them."""
    for removal in overdue_removals(at=now()):
        logger.error("removal %s is past its 48 hours (due %s)", removal.id, removal.due_at)
