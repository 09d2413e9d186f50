"""Endpoints of webhooks: made, changed, paused, tested, removed; deliveries sent once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.kernel.registry import webhook_event_types
from governance.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from governance.operations import audit
from governance.operations.webhook_events import queue_event, require_webhook_url, ring_outbox
from governance.operations.webhook_secrets import add_secret

MOST_ENDPOINTS = 20
TEST = "webhook.test"


class WebhookLimitReached(DomainError):
    """An organization has at most twenty endpoints; each event goes to every one of them."""

    code = "webhook_limit_reached"
    title = "The organization has as many webhook endpoints as it may"
    status = 409


@dataclass(frozen=True)
class MadeEndpoint:
    """A new endpoint and its signing secret."""

    endpoint: WebhookEndpoint
    secret: str


@transaction.atomic
def create_webhook_endpoint(
    *,
    organization_id: UUID,
    url: str,
    events: Sequence[str],
    description: str,
    actor: Actor,
    at: datetime,
) -> MadeEndpoint:
    """An endpoint for these events (none named: all). Raises WebhookAddressRefused, InvalidRequest."""
    present = WebhookEndpoint.objects.filter(organization_id=organization_id).exclude(url="")
    if present.count() >= MOST_ENDPOINTS:
        raise WebhookLimitReached(f"There are {MOST_ENDPOINTS} endpoints. Remove one first.")
    endpoint = WebhookEndpoint.objects.create(
        organization_id=organization_id,
        url=require_webhook_url(url),
        events=known_events(events),
        description=description[:200],
        created_at=at,
    )
    secret = add_secret(endpoint, at=at)
    _record("webhook.created", endpoint, actor, url=url, events=list(events))
    return MadeEndpoint(endpoint, secret)


@transaction.atomic
def change_webhook_endpoint(
    *,
    endpoint_id: UUID,
    organization_id: UUID,
    actor: Actor,
    at: datetime,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
    enabled: bool | None = None,
) -> WebhookEndpoint:
    """Change what is given. What waits for an endpoint that is switched off is dropped.

    Raises NotFound, WebhookAddressRefused, InvalidRequest.
    """
    endpoint = _own(endpoint_id, organization_id)
    if url is not None:
        endpoint.url = require_webhook_url(url)
    if events is not None:
        endpoint.events = known_events(events)
    if description is not None:
        endpoint.description = description[:200]
    if enabled is True:
        endpoint.disabled_at, endpoint.disabled_reason = None, ""
    endpoint.save()
    if enabled is False:
        disable_webhook_endpoint(endpoint, reason="switched off", at=at)
    _record("webhook.changed", endpoint, actor, url=endpoint.url, enabled=enabled)
    return endpoint


def disable_webhook_endpoint(endpoint: WebhookEndpoint, *, reason: str, at: datetime) -> None:
    """No event goes there any more, and what waits is dropped. In the caller's transaction."""
    if endpoint.disabled_at is None:
        endpoint.disabled_at, endpoint.disabled_reason = at, reason
        endpoint.save(update_fields=["disabled_at", "disabled_reason"])
    WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING).update(
        state=DeliveryState.FAILED, finished_at=at, next_attempt_at=None
    )


@transaction.atomic
def remove_webhook_endpoint(*, endpoint_id: UUID, organization_id: UUID, actor: Actor) -> None:
    """Remove an endpoint with its deliveries. Raises NotFound."""
    endpoint = _own(endpoint_id, organization_id)
    _record("webhook.removed", endpoint, actor, url=endpoint.url)
    endpoint.delete()


@transaction.atomic
def send_test_event(
    *, endpoint_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> WebhookDelivery:
    """An event that means nothing, to this endpoint only. Raises NotFound, InvalidRequest."""
    endpoint = _own(endpoint_id, organization_id)
    if endpoint.disabled_at is not None:
        raise InvalidRequest("The endpoint is switched off. Switch it on first.", param="id")
    data = {"message": "A test event. Nothing happened.", "sent_by": actor.label or actor.id}
    event = queue_event(organization_id, TEST, data, at, [(endpoint, endpoint.url)])
    _record("webhook.tested", endpoint, actor, event=str(event.id))
    return event.deliveries.get()


@transaction.atomic
def replay_delivery(
    *, delivery_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> WebhookDelivery:
    """Send the event of an earlier delivery once more, with its old ``webhook-id``. Raises NotFound.

    The receiver knows it by that id and may skip it.
    """
    earlier = (
        WebhookDelivery.objects.select_related("endpoint", "event")
        .filter(id=delivery_id, endpoint__organization_id=organization_id)
        .first()
    )
    if earlier is None:
        raise NotFound("There is no such delivery.")
    if earlier.endpoint.disabled_at is not None:
        raise InvalidRequest("The endpoint is switched off. Switch it on first.", param="id")
    again = WebhookDelivery.objects.create(
        event=earlier.event,
        endpoint=earlier.endpoint,
        url=earlier.endpoint.url or earlier.url,
        is_replay=True,
        next_attempt_at=at,
    )
    _record("webhook.replayed", earlier.endpoint, actor, event=str(earlier.event_id))
    transaction.on_commit(ring_outbox, robust=True)
    return again


def known_events(names: Sequence[str]) -> list[str]:
    """The event types, each once. Raises InvalidRequest."""
    unknown = sorted(set(names) - set(webhook_event_types.items))
    if unknown:
        known = ", ".join(sorted(webhook_event_types.items))
        raise InvalidRequest(f"There is no event {unknown[0]!r}. Events: {known}.", param="events")
    return list(dict.fromkeys(names))


def _own(endpoint_id: UUID, organization_id: UUID) -> WebhookEndpoint:
    """The endpoint, locked."""
    found = (
        WebhookEndpoint.objects.select_for_update()
        .filter(id=endpoint_id, organization_id=organization_id)
        .exclude(url="")
        .first()
    )
    if found is None:
        raise NotFound("There is no such webhook endpoint.")
    return found


def _record(act: str, endpoint: WebhookEndpoint, actor: Actor, **facts: object) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=endpoint.organization_id,
        subject_kind="webhook_endpoint",
        subject_id=endpoint.id,
        facts=facts,
    )
