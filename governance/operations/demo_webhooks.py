"""Webhooks for the demo organization: deliveries that arrived, one that failed, a receiver that is gone."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from governance.gateways.webhook_transport import Reply
from governance.kernel.actors import SYSTEM
from governance.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from governance.operations.webhook_delivery import claim_deliveries, note_attempt
from governance.operations.webhook_endpoints import create_webhook_endpoint
from governance.operations.webhook_events import send_event

SHOP, OLD = "https://hooks.aurora.example/licet", "https://old.aurora.example/licet"
# Nothing of today is sent there: there is no such host.
ROTATED, LEAKED, REVOKED = "api_key.rotated", "api_key.leaked", "api_key.revoked"
TOOK_MS = 84
ARRIVED = Reply(204, TOOK_MS)
DOWN = Reply(503, 2_310, error="HTTP 503", body="upstream connect error")
GONE = Reply(410, TOOK_MS, error="HTTP 410", body="moved")


@transaction.atomic
def seed_webhooks(organization_id: UUID, *, at: datetime) -> None:
    """Two endpoints with their log; what the receivers said is made up, nothing is sent. Once only.

    One transaction, so that no worker of today takes a delivery of the past.
    """
    if WebhookEndpoint.objects.filter(organization_id=organization_id).exclude(url="").exists():
        return
    for url, events, description in (
        (SHOP, (ROTATED, LEAKED), "Shop backend"),
        (OLD, (REVOKED,), "The old shop, gone since the move"),
    ):
        create_webhook_endpoint(
            organization_id=organization_id, url=url, events=events, description=description,
            actor=SYSTEM, at=at - timedelta(days=20),
        )  # fmt: skip
    # Ten attempts of the failed one take three days; all of them lie in the past.
    for event, days, reply in (
        (ROTATED, 15, ARRIVED), (REVOKED, 14, GONE), (ROTATED, 12, DOWN), (ROTATED, 2, ARRIVED),
    ):  # fmt: skip
        send_event(
            organization_id=organization_id, type=event, data={"name": "Studio plugin"},
            at=at - timedelta(days=days),
        )  # fmt: skip
        live(organization_id, reply)


def live(organization_id: UUID, reply: Reply) -> None:
    """Every attempt at what waits, each at its time, with the same answer."""
    waiting = WebhookDelivery.objects.filter(
        endpoint__organization_id=organization_id, state=DeliveryState.PENDING
    )
    while (delivery := waiting.first()) is not None:
        due = delivery.next_attempt_at
        assert due is not None
        for parcel in claim_deliveries(at=due):
            note_attempt(parcel=parcel, reply=reply, at=due)
