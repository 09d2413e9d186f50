"""Keeping spend alerts, and telling people once a month that one is passed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.models import SpendAlert
from billing.queries.buckets import charged_between
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.kernel.letters import Letter
from governance.kernel.money import LARGEST_AMOUNT, Microdollars, format_usd
from governance.models import Organization
from governance.operations import audit
from governance.operations.mail import post_letter

MOST_ALERTS, MOST_RECIPIENTS = 20, 20


class SpendAlertLimitReached(DomainError):
    """An organization has at most twenty spend alerts."""

    code = "spend_alert_limit_reached"
    title = "The organization has as many spend alerts as it may"
    status = 409


@transaction.atomic
def create_spend_alert(
    *,
    organization_id: UUID,
    threshold: Microdollars,
    recipients: Sequence[str],
    subject_prefix: str,
    actor: Actor,
    at: datetime,
) -> SpendAlert:
    """A new alert at ``threshold`` µUSD a month. Raises InvalidRequest, SpendAlertLimitReached."""
    # The organization's row keeps two callers from passing the limit together.
    Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    if SpendAlert.objects.filter(organization_id=organization_id).count() >= MOST_ALERTS:
        raise SpendAlertLimitReached(f"There are {MOST_ALERTS} alerts. Remove one first.")
    alert = SpendAlert(organization_id=organization_id, created_at=at)
    _fill(alert, threshold, recipients, subject_prefix)
    _record("spend_alert.created", alert, actor)
    return alert


@transaction.atomic
def change_spend_alert(
    *,
    organization_id: UUID,
    alert_id: UUID,
    threshold: Microdollars,
    recipients: Sequence[str],
    subject_prefix: str,
    actor: Actor,
) -> SpendAlert:
    """Replace what an alert says; it tells anew in this month. Raises NotFound, InvalidRequest."""
    alert = _own(organization_id, alert_id)
    alert.told_month = None
    _fill(alert, threshold, recipients, subject_prefix)
    _record("spend_alert.changed", alert, actor)
    return alert


@transaction.atomic
def remove_spend_alert(*, organization_id: UUID, alert_id: UUID, actor: Actor) -> None:
    """Remove an alert. Raises NotFound."""
    alert = _own(organization_id, alert_id)
    _record("spend_alert.removed", alert, actor)
    alert.delete()


def tell_passed_alerts(*, at: datetime) -> int:
    """Post a letter for each alert that its month has passed and that was not told; returns how many."""
    first = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    waiting = SpendAlert.objects.exclude(told_month=first.date()).select_related("organization")
    spent: dict[UUID, int] = {}
    told = 0
    for alert in waiting:
        organization_id = alert.organization_id
        if organization_id not in spent:
            spent[organization_id] = charged_between(organization_id, since=first, until=at)
        if spent[organization_id] >= alert.threshold_microusd:
            told += _tell(alert, first, spent[organization_id], at)
    return told


@transaction.atomic
def _tell(alert: SpendAlert, first: datetime, spent: int, at: datetime) -> bool:
    fresh = SpendAlert.objects.filter(id=alert.id).exclude(told_month=first.date())
    if fresh.update(told_month=first.date()) != 1:
        return False
    post_letter(
        _letter(alert, spent), to=alert.recipients, at=at, organization_id=alert.organization_id
    )
    return True


def _letter(alert: SpendAlert, spent: int) -> Letter:
    name, passed = alert.organization.name, format_usd(alert.threshold_microusd)
    return Letter(
        kind="spend_alert",
        subject=f"{alert.subject_prefix} {name} has spent {passed} this month".strip(),
        heading=f"{name} has spent {passed} this month",
        paragraphs=("A spend alert was passed. Nothing is stopped by this.",),
        facts=(("Spent this month", format_usd(spent)), ("Alert at", passed)),
        action=("Look at the usage", f"{settings.PUBLIC_URL}/o/{alert.organization.slug}/usage/"),
        tone="warn",
    )


def _fill(
    alert: SpendAlert, threshold: int, recipients: Sequence[str], subject_prefix: str
) -> None:
    if not 0 < threshold <= LARGEST_AMOUNT:
        raise InvalidRequest("The amount must be more than zero.", param="threshold_amount")
    if not 1 <= len(recipients) <= MOST_RECIPIENTS:
        raise InvalidRequest(
            f"Name 1 to {MOST_RECIPIENTS} recipients.", param="notification_channel"
        )
    alert.threshold_microusd = threshold
    alert.recipients = list(dict.fromkeys(recipients))
    # A mail's subject is one line.
    alert.subject_prefix = " ".join(subject_prefix.split())[:100]
    alert.save()


def _own(organization_id: UUID, alert_id: UUID) -> SpendAlert:
    found = (
        SpendAlert.objects.select_for_update()
        .filter(organization_id=organization_id, id=alert_id)
        .first()
    )
    if found is None:
        raise NotFound("There is no such spend alert.")
    return found


def _record(act: str, alert: SpendAlert, actor: Actor) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=alert.organization_id,
        subject_kind="spend_alert",
        subject_id=alert.id,
        facts={"threshold_microusd": alert.threshold_microusd, "recipients": alert.recipients},
    )
