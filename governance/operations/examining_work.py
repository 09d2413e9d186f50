"""Examinations of governance's own work: mail, webhooks, the audit log."""

from datetime import datetime

from django.conf import settings

from governance.kernel.diagnosis import Diagnosis, Examination, broken, by_age, fine, warning
from governance.models import AuditEntry, AuditPending, OutgoingMail, WebhookDelivery
from governance.models.webhooks import DeliveryState
from governance.operations.examining_queues import by_oldest
from governance.queries.audit_tree import latest_checkpoint

MAIL_WARNING_S, MAIL_BROKEN_S = 300.0, 3600.0
WEBHOOK_WARNING_S, WEBHOOK_BROKEN_S = 120.0, 3600.0
PENDING_WARNING_S, PENDING_BROKEN_S = 60.0, 600.0
CHECKPOINT_WARNING_S, CHECKPOINT_BROKEN_S = 2 * 3600.0, 24 * 3600.0


def look_at_mail(at: datetime) -> Diagnosis:
    """The oldest letter that is due and not sent."""
    waiting = OutgoingMail.objects.filter(sent_at__isnull=True, given_up_at__isnull=True)
    oldest = waiting.order_by("created_at").first()
    if oldest is None:
        kept = "" if settings.EMAIL_HOST else "; letters are kept in LICET_HOME/mail"
        return fine(f"no letter waits{kept}")
    said = f" ({oldest.last_error})" if oldest.last_error else ""
    return by_age(
        (at - oldest.created_at).total_seconds(),
        f"{waiting.count()} letters wait, the oldest{said}",
        warn_s=MAIL_WARNING_S,
        broken_s=MAIL_BROKEN_S,
        remedy="Look at LICET_SMTP_HOST and its password, and that beat and a worker run.",
    )


def look_at_webhooks(at: datetime) -> Diagnosis:
    """The oldest delivery that is due: a receiver that fails is waited for and is not due."""
    return by_oldest(
        WebhookDelivery.objects.filter(state=DeliveryState.PENDING, next_attempt_at__lte=at),
        "next_attempt_at",
        at,
        none="no delivery is overdue",
        what="deliveries are due",
        warn_s=WEBHOOK_WARNING_S,
        broken_s=WEBHOOK_BROKEN_S,
        remedy="docs/runbooks/webhook-backlog.md",
    )


def look_at_sequencer(at: datetime) -> Diagnosis:
    """The oldest audit entry that is no leaf of the tree yet."""
    return by_oldest(
        AuditEntry.objects.filter(id__in=AuditPending.objects.values("entry_id")),
        "at",
        at,
        none="every entry is in the tree",
        what="entries wait for the tree",
        warn_s=PENDING_WARNING_S,
        broken_s=PENDING_BROKEN_S,
        remedy="See that beat and a worker run; `manage.py verify_audit` sequences what waits.",
    )


def look_at_checkpoint(at: datetime) -> Diagnosis:
    """The last signed checkpoint; an hour's entries wait for the next one."""
    remedy = "See that beat and a worker run, and that LICET_AUDIT_KEY is set."
    last = latest_checkpoint()
    if last is None:
        first = AuditEntry.objects.order_by("at").values_list("at", flat=True).first()
        if first is None:
            return fine("nothing to sign yet")
        age = (at - first).total_seconds()
        if age > CHECKPOINT_BROKEN_S:
            return broken("the log was never signed", remedy)
        return (
            warning("the log was never signed", remedy)
            if age > CHECKPOINT_WARNING_S
            else fine("the first hour is not over")
        )
    newer = AuditEntry.objects.filter(at__gt=last.at).order_by("at").values_list("at", flat=True)
    oldest = newer.first()
    if oldest is None:
        return fine(f"signed up to the last entry, {last.size:,} leaves")
    return by_age(
        (at - oldest).total_seconds(),
        "the oldest entry that no checkpoint covers",
        warn_s=CHECKPOINT_WARNING_S,
        broken_s=CHECKPOINT_BROKEN_S,
        remedy=remedy,
    )


EXAMINATIONS = tuple(
    Examination(name, look, "Run `manage.py migrate`, then look at the error.", needs_database=True)
    for name, look in (
        ("mail", look_at_mail),
        ("webhooks", look_at_webhooks),
        ("audit sequencer", look_at_sequencer),
        ("audit checkpoint", look_at_checkpoint),
    )
)
