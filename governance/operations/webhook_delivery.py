"""Working through the outbox: claim, send outside any transaction, write down what came of it."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.timezone import now

from governance.gateways.webhook_transport import Reply, post
from governance.kernel.actors import SYSTEM
from governance.kernel.letters import Letter
from governance.kernel.retries import delay_after
from governance.models import (
    DeliveryState,
    Role,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from governance.operations import audit
from governance.operations.mail import post_to_roles
from governance.operations.webhook_endpoints import disable_webhook_endpoint
from governance.operations.webhook_secrets import secrets_in_force, signatures

GONE = 410
# A batch is sent at once by a few threads; one slow receiver gets few of them.
BATCH, PER_ENDPOINT, THREADS = 32, 4, 8
LOOKED_AT = 400
# Above the longest attempt: a delivery whose worker died is tried again after it.
LEASE = timedelta(minutes=2)
KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Parcel:
    """All that an attempt needs, so that it needs no database."""

    delivery_id: UUID
    number: int
    url: str
    body: str
    headers: dict[str, str]


def deliver_due_webhooks(*, clock: Callable[[], datetime] = now) -> int:
    """Send what is due until nothing is; returns the number of attempts. May run many times at once.

    At least once: a worker that dies between the receiver's answer and our note sends again, under
    the same ``webhook-id``.
    """
    sent = 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as threads:
        while parcels := claim_deliveries(at=clock()):
            for parcel, reply in zip(parcels, threads.map(_sent, parcels), strict=True):
                note_attempt(parcel=parcel, reply=reply, at=clock())
            sent += len(parcels)
    return sent


@transaction.atomic
def claim_deliveries(*, at: datetime) -> list[Parcel]:
    """Take deliveries that are due; nobody else takes them before the lease ends."""
    due = (
        WebhookDelivery.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("event")
        .filter(state=DeliveryState.PENDING, next_attempt_at__lte=at)
        .order_by("next_attempt_at")[:LOOKED_AT]
    )
    taken: list[WebhookDelivery] = []
    load: Counter[UUID] = Counter()
    for delivery in due:
        if load[delivery.endpoint_id] < PER_ENDPOINT and len(taken) < BATCH:
            load[delivery.endpoint_id] += 1
            delivery.attempts += 1
            delivery.next_attempt_at = at + LEASE
            taken.append(delivery)
    WebhookDelivery.objects.bulk_update(taken, ["attempts", "next_attempt_at"])
    secrets = {endpoint_id: secrets_in_force(endpoint_id, at=at) for endpoint_id in load}
    return [_parcel(delivery, secrets[delivery.endpoint_id], at) for delivery in taken]


def _parcel(delivery: WebhookDelivery, secrets: list[str], at: datetime) -> Parcel:
    event = delivery.event
    message_id = f"msg_{event.id.hex}"
    return Parcel(
        delivery_id=delivery.id,
        number=delivery.attempts,
        url=delivery.url,
        body=event.body,
        headers={
            "User-Agent": "Licet-Webhooks/1",
            **signatures(message_id, at, event.body, secrets),
        },
    )


def _sent(parcel: Parcel) -> Reply:
    return post(
        parcel.url,
        parcel.body.encode(),
        parcel.headers,
        opened=settings.WEBHOOK_PRIVATE_NETWORKS,
    )


@transaction.atomic
def note_attempt(*, parcel: Parcel, reply: Reply, at: datetime) -> None:
    """Write the attempt down and decide: delivered, again later, or over.

    410 switches a registered endpoint off; its owners are told.
    """
    delivery = (
        WebhookDelivery.objects.select_for_update(of=("self",))
        .select_related("endpoint")
        .filter(id=parcel.delivery_id)
        .first()
    )
    if delivery is None:
        return
    WebhookAttempt.objects.create(
        delivery=delivery,
        number=parcel.number,
        at=at,
        duration_ms=reply.duration_ms,
        status=reply.status,
        error=reply.error[:300],
        response=reply.body[:1000],
    )
    if delivery.state != DeliveryState.PENDING or delivery.attempts != parcel.number:
        return
    endpoint = delivery.endpoint
    pause = delay_after(parcel.number, chance=random.random(), asked_for=reply.retry_after)  # noqa: S311
    if reply.is_success:
        _finish(delivery, DeliveryState.DELIVERED, at)
        WebhookEndpoint.objects.filter(id=endpoint.id).update(failing_since=None)
        return
    if endpoint.failing_since is None:
        WebhookEndpoint.objects.filter(id=endpoint.id).update(failing_since=at)
    if reply.status == GONE or pause is None:
        _finish(delivery, DeliveryState.FAILED, at)
        if reply.status == GONE and endpoint.url:
            _switch_off(endpoint, at)
        return
    delivery.next_attempt_at = at + pause
    delivery.save(update_fields=["next_attempt_at"])


def _finish(delivery: WebhookDelivery, state: DeliveryState, at: datetime) -> None:
    delivery.state, delivery.finished_at, delivery.next_attempt_at = state, at, None
    delivery.save(update_fields=["state", "finished_at", "next_attempt_at"])


def _switch_off(endpoint: WebhookEndpoint, at: datetime) -> None:
    disable_webhook_endpoint(endpoint, reason="the receiver answered 410 Gone", at=at)
    facts: dict[str, Any] = {"url": endpoint.url, "status": GONE}
    audit.record(
        act="webhook.disabled",
        actor=SYSTEM,
        organization_id=endpoint.organization_id,
        subject_kind="webhook_endpoint",
        subject_id=endpoint.id,
        facts=facts,
    )
    organization = endpoint.organization
    letter = Letter(
        kind="webhook_disabled",
        subject=f"{organization.name}: a webhook endpoint was switched off",
        heading="A webhook endpoint was switched off",
        paragraphs=(
            "It answered 410 Gone, which asks us to stop. Events do not go there any more.",
        ),
        facts=(("Endpoint", endpoint.url),),
        action=(
            "Open the endpoint",
            f"{settings.PUBLIC_URL}/o/{organization.slug}/webhooks/{endpoint.id}/",
        ),
        tone="warn",
    )
    post_to_roles(letter, organization_id=organization.id, roles=(Role.OWNER, Role.ADMIN), at=at)


@transaction.atomic
def forget_old_events(*, at: datetime) -> int:
    """Delete events and their log after 30 days; returns how many."""
    _, counts = WebhookEvent.objects.filter(created_at__lt=at - KEPT).delete()
    return counts.get("governance.WebhookEvent", 0)
