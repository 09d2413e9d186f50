"""Figures for Prometheus: webhooks and letters that wait, leaked keys, standings."""

from datetime import datetime, timedelta

from django.db.models import Count, Min, QuerySet

from governance.kernel.registry import Gauge, Metric
from governance.models import ApiKey, OrganizationStanding, OutgoingMail, WebhookDelivery
from governance.models.standing import STATUSES
from governance.models.webhooks import DeliveryState

LEAKED_LATELY = timedelta(hours=24)


def work_metrics(at: datetime) -> list[Metric]:
    """What waits to be sent, with the age of the oldest in s, and what an operator must hear of."""
    pending = WebhookDelivery.objects.filter(state=DeliveryState.PENDING)
    letters = OutgoingMail.objects.filter(sent_at__isnull=True, given_up_at__isnull=True)
    leaked = ApiKey.objects.filter(revoked_reason="leaked", revoked_at__gt=at - LEAKED_LATELY)
    return [
        Gauge("licet_webhooks_pending", "deliveries without an end", pending.count()),
        *waiting(
            "licet_webhooks_due", pending.filter(next_attempt_at__lte=at), "next_attempt_at", at
        ),
        *waiting("licet_mail_waiting", letters, "created_at", at),
        Gauge("licet_keys_leaked_24h", "keys revoked because they were public", leaked.count()),
        *standings(),
    ]


def waiting(name: str, rows: QuerySet, since: str, at: datetime) -> list[Metric]:  # type: ignore[type-arg]
    """How many wait, and for how long the first of them, s."""
    found = rows.aggregate(number=Count("pk"), oldest=Min(since))
    age = (at - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    return [
        Gauge(name, "what waits", found["number"]),
        Gauge(f"{name}_oldest_seconds", "for how long the first of them waits", age),
    ]


def standings() -> list[Metric]:
    """Organizations by standing as last decided."""
    rows = OrganizationStanding.objects.values_list("status").annotate(Count("pk"))
    counted = dict.fromkeys(STATUSES, 0) | dict(rows)
    return [
        Gauge(
            "licet_organizations", "organizations by licence standing", number, {"standing": name}
        )
        for name, number in counted.items()
    ]
