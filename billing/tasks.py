"""Celery: the janitors of money. Every task may come twice or never."""

from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from celery import shared_task
from django.conf import settings
from django.utils.timezone import now

from billing.gateways.configured import configured_gateway, stand_in_secret
from billing.gateways.fake.delivery import SIGNATURE_HEADER, deliver_events
from billing.operations.automatic_top_up import (
    organizations_below_threshold,
    top_up_automatically,
)
from billing.operations.lots import expire_due_lots
from billing.operations.payment_janitor import ask_about_payments
from billing.operations.reconciliation import reconcile
from billing.operations.resolving import resolve_open_holds
from billing.operations.rollups import roll_up_recent
from billing.operations.spend_alerts import tell_passed_alerts
from billing.operations.statements import StatementNotDue, close_due_statements

WEBHOOK_PATH = "/billing/stripe/webhook"
NO_ANSWER = 599
TIMEOUT_S = 10
DAY_S = 24 * 3600.0

SCHEDULE = {
    "resolve-open-holds": {
        "task": "billing.tasks.resolve_holds",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "ask-about-payments": {
        "task": "billing.tasks.ask_payments",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "top-up-automatically": {
        "task": "billing.tasks.top_up_where_due",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "deliver-stand-in-events": {
        "task": "billing.tasks.deliver_stand_in_events",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "roll-up-usage": {
        "task": "billing.tasks.roll_up_usage",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "tell-spend-alerts": {
        "task": "billing.tasks.tell_spend_alerts",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "expire-credit": {"task": "billing.tasks.expire_credit", "schedule": 3600.0},
    "close-statements": {"task": "billing.tasks.close_statements", "schedule": 3600.0},
    "reconcile": {"task": "billing.tasks.reconcile_all", "schedule": DAY_S},
}


@shared_task
def resolve_holds() -> None:
    """Release what jobs that are over still hold."""
    resolve_open_holds(at=now())


@shared_task
def ask_payments() -> None:
    """Ask the provider about payments and refunds whose outcome is unknown."""
    ask_about_payments(gateway=configured_gateway(), at=now())


@shared_task
def top_up_where_due() -> None:
    """Automatic top-ups; the database allows one in flight per organization."""
    at = now()
    for organization_id in organizations_below_threshold(at):
        top_up_automatically(organization_id=organization_id, gateway=configured_gateway(), at=at)


@shared_task
def deliver_stand_in_events() -> None:
    """The stand-in's webhooks, over HTTP as Stripe's come; nothing to do with a Stripe key."""
    if not settings.STRIPE_SECRET_KEY:
        deliver_events(secret=stand_in_secret(), send=post_webhook)


def post_webhook(body: bytes, signature: str) -> int:
    """POST to our own public address; the status, or 599 without an answer."""
    address = urlsplit(settings.PUBLIC_URL)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.netloc, timeout=TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: signature}
        connection.request("POST", WEBHOOK_PATH, body, headers)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return NO_ANSWER
    finally:
        connection.close()


@shared_task
def roll_up_usage() -> None:
    """Usage of today and yesterday."""
    roll_up_recent(at=now())


@shared_task
def tell_spend_alerts() -> None:
    """Mail the spend alerts that were passed."""
    tell_passed_alerts(at=now())


@shared_task
def expire_credit() -> None:
    """Book credit whose time is over."""
    expire_due_lots(at=now())


@shared_task
def close_statements() -> None:
    """Close last month; tried again in an hour while something is still being written."""
    try:
        close_due_statements(at=now() - timedelta(minutes=5))
    except StatementNotDue:
        return


@shared_task
def reconcile_all() -> None:
    """The nightly comparison."""
    reconcile(gateway=configured_gateway(), at=now())
