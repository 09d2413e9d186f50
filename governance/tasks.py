"""Periodic work of governance. Every task may come twice or never."""

import logging
from uuid import UUID

from celery import shared_task
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from governance.models import Organization
from governance.operations.audit_tree import sequence_entries
from governance.operations.beats import note_tick
from governance.operations.checkpoint_mail import send_new_checkpoint
from governance.operations.compliance_reports import request_scheduled_reports, waiting_reports
from governance.operations.key_uses import collect_key_uses
from governance.operations.mail import clear_old_mail, deliver_due_mail
from governance.operations.reminders import send_attestation_reminders
from governance.operations.seat_snapshots import take_seat_snapshots
from governance.operations.standing import refresh_standings
from governance.operations.termination import act_on_ended_notices
from governance.operations.waiting_list import call_waiting
from governance.operations.webhook_delivery import deliver_due_webhooks, forget_old_events
from governance.reports.making import build_report

logger = logging.getLogger(__name__)

CHUNK = 500
# A report over millions of generations takes a minute; a worker that hangs is stopped.
REPORT_LIMIT_S = 1800


@shared_task(name="governance.refresh_standings")
def refresh_all_standings() -> int:
    """Decide every standing anew, so that what time alone changes is in the history. Returns how many."""
    ids = list(Organization.objects.order_by("id").values_list("id", flat=True))
    for start in range(0, len(ids), CHUNK):
        refresh_standings(organization_ids=ids[start : start + CHUNK], at=now())
    return len(ids)


@shared_task(name="governance.take_seat_snapshots")
def snapshot_seats() -> int:
    """The day's line of every pool of seats."""
    at = now()
    return take_seat_snapshots(day=at.date(), at=at)


@shared_task(name="governance.send_attestation_reminders")
def remind_of_attestations() -> int:
    """Mails to owners whose attestation expires in 30, 14, 3 or 1 days."""
    return send_attestation_reminders(at=now())


@shared_task(name="governance.collect_key_uses")
def collect_uses() -> int:
    """Who used which key since the last time, into the database."""
    return collect_key_uses(at=now())


@shared_task(name="governance.deliver_mail")
def deliver_mail() -> int:
    """Send what the outbox holds. Returns how many letters were accepted."""
    return deliver_due_mail(at=now())


@shared_task(name="governance.clear_mail")
def clear_mail() -> int:
    """Delete old letters. Returns how many."""
    return clear_old_mail(at=now())


@shared_task(name="governance.sequence_audit")
def sequence_audit() -> int:
    """Committed entries become leaves of the tree. Returns how many."""
    return sequence_entries()


@shared_task(name="governance.publish_checkpoint")
def publish_audit_checkpoint() -> int:
    """Sign the log and post the signed note. Returns the letters."""
    sequence_entries()
    return send_new_checkpoint(at=now())


@shared_task(name="governance.deliver_webhooks")
def deliver_webhooks() -> int:
    """Send the webhooks that are due. Returns the number of attempts."""
    return deliver_due_webhooks()


@shared_task(name="governance.forget_webhook_events")
def forget_webhook_events() -> int:
    """Delete the log of webhooks after 30 days. Returns how many events."""
    return forget_old_events(at=now())


def ring_webhooks() -> None:
    """Ask a worker to look into the outbox; the schedule does so anyway."""
    try:
        deliver_webhooks.apply_async(retry=False, expires=10.0)
    except OperationalError as error:
        logger.warning("the outbox waits for the schedule: %s", error)


@shared_task(name="governance.act_on_ended_notices")
def end_notices() -> int:
    """Releases whose own notice of the licensor has run out are revoked."""
    return act_on_ended_notices(at=now())


@shared_task(name="governance.call_waiting")
def tell_who_is_next() -> int:
    """Mails to people in line for whom a seat is free now."""
    return call_waiting(at=now())


@shared_task(name="governance.make_report", time_limit=REPORT_LIMIT_S)
def make_report(report_id: str) -> str:
    """Make one report that was asked for; comes twice without harm. Returns its state."""
    return str(build_report(report_id=UUID(report_id), at=now()).state)


@shared_task(name="governance.make_due_reports", time_limit=REPORT_LIMIT_S)
def make_due_reports() -> int:
    """Ask for the closed month's reports that are due, and make what waits. Returns how many."""
    request_scheduled_reports(at=now())
    waiting = waiting_reports(at=now())
    for report_id in waiting:
        build_report(report_id=report_id, at=now())
    return len(waiting)


@shared_task(name="governance.tick")
def tick() -> None:
    """Proof that beat and a worker live, for `manage.py doctor`."""
    note_tick(at=now())


SCHEDULE = {
    "governance.tick": {
        "task": "governance.tick",
        "schedule": 15.0,
        "options": {"expires": 15.0},
    },
    "governance.make_due_reports": {"task": "governance.make_due_reports", "schedule": 300.0},
    "governance.call_waiting": {
        "task": "governance.call_waiting",
        "schedule": 60.0,
    },
    "governance.act_on_ended_notices": {
        "task": "governance.act_on_ended_notices",
        "schedule": 60.0,
    },
    "governance.deliver_webhooks": {
        "task": "governance.deliver_webhooks",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "governance.forget_webhook_events": {
        "task": "governance.forget_webhook_events",
        "schedule": 86400.0,
    },
    "governance.collect_key_uses": {
        "task": "governance.collect_key_uses",
        "schedule": 10.0,
        # Late is useless: the next one takes all.
        "options": {"expires": 10.0},
    },
    "governance.deliver_mail": {
        "task": "governance.deliver_mail",
        # People wait for these letters with the page open.
        "schedule": 3.0,
        "options": {"expires": 3.0},
    },
    "governance.clear_mail": {"task": "governance.clear_mail", "schedule": 3600.0},
    "governance.sequence_audit": {
        "task": "governance.sequence_audit",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "governance.publish_checkpoint": {"task": "governance.publish_checkpoint", "schedule": 3600.0},
    "governance.refresh_standings": {
        "task": "governance.refresh_standings",
        "schedule": 300.0,
    },
    "governance.take_seat_snapshots": {
        "task": "governance.take_seat_snapshots",
        "schedule": 3600.0,
    },
    "governance.send_attestation_reminders": {
        "task": "governance.send_attestation_reminders",
        "schedule": 3600.0,
    },
}
