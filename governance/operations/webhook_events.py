"""The outbox: an event and its deliveries, written in the transaction of what happened."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from governance.gateways.webhook_addresses import parsed_target
from governance.kernel.registry import outbox_bells, webhook_event_types
from governance.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from governance.operations.webhook_secrets import signer_of_calls


def send_event(
    *,
    organization_id: UUID,
    type: str,  # noqa: A002 (the word of the envelope)
    data: Mapping[str, Any],
    at: datetime,
    call_url: str = "",
) -> WebhookEvent | None:
    """Queue an event for every endpoint that wants it, and for the address that the call named.

    Call it inside the transaction of the event: both stand or neither does. Nothing is written where
    nobody listens; then None is returned. ``data`` holds no prompt and no secret; ``call_url`` was checked
    by ``require_webhook_url``.
    """
    assert type in webhook_event_types.items, f"{type} is not registered"
    listening = WebhookEndpoint.objects.filter(
        organization_id=organization_id, disabled_at=None
    ).exclude(url="")
    targets = [
        (endpoint, endpoint.url)
        for endpoint in listening
        if not endpoint.events or type in endpoint.events
    ]
    if call_url:
        targets.append((signer_of_calls(organization_id=organization_id, at=at), call_url))
    return queue_event(organization_id, type, data, at, targets) if targets else None


@transaction.atomic
def queue_event(
    organization_id: UUID,
    type_: str,
    data: Mapping[str, Any],
    at: datetime,
    targets: list[tuple[WebhookEndpoint, str]],
) -> WebhookEvent:
    """The event with a delivery for each target; the bell rings after the commit."""
    envelope = {"type": type_, "timestamp": at.isoformat(), "data": dict(data)}
    event = WebhookEvent.objects.create(
        organization_id=organization_id,
        type=type_,
        body=json.dumps(envelope, default=str, ensure_ascii=False),
        created_at=at,
    )
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(event=event, endpoint=endpoint, url=url, next_attempt_at=at)
        for endpoint, url in targets
    )
    transaction.on_commit(ring_outbox, robust=True)
    return event


def ring_outbox() -> None:
    """Say that something waits; a lost bell costs seconds, the schedule looks as well."""
    for bell in outbox_bells.all():
        bell()


def require_webhook_url(url: str) -> str:
    """``url``, if a webhook could go there as far as its form tells. Raises WebhookAddressRefused.

    Whether its host is public is decided at each attempt, when it is resolved.
    """
    parsed_target(url)
    return url
