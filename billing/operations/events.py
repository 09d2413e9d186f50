"""Webhooks: an event only says where to look; the object is fetched, so order does not matter."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from billing.gateways.protocol import Gateway, GatewayRefused
from billing.gateways.signatures import Event
from billing.models import StripeEvent
from billing.operations.disputes import settle_dispute
from billing.operations.refunds import settle_refund
from billing.operations.top_ups import settle_payment
from governance.kernel.actors import Actor

Effect = Callable[[], None]


def receive_event(*, event: Event, gateway: Gateway, at: datetime) -> str:
    """Apply one verified event; returns ``handled``, ``ignored``, ``unknown_object`` or ``duplicate``.

    The event and its effect are one transaction. Raises GatewayUnavailable: the sender tries again.
    """
    if StripeEvent.objects.filter(id=event.id).exists():
        return "duplicate"
    actor = Actor(kind="stripe", id=event.id[:64], label=event.type)
    try:
        effects = effects_of(event, gateway, actor, at)
    except GatewayRefused:
        effects, outcome = [], "unknown_object"
    else:
        outcome = "handled" if effects else "ignored"
    with transaction.atomic():
        if not insert_event(event, outcome, at):
            return "duplicate"
        for effect in effects:
            effect()
    return outcome


def insert_event(event: Event, outcome: str, at: datetime) -> bool:
    """Insert the event's row; False if it is there. Waits for whoever inserts it at this moment."""
    StripeEvent.objects.bulk_create(
        [
            StripeEvent(
                id=event.id,
                type=event.type,
                created_at=event.created_at,
                api_version=event.api_version,
                payload=event.payload,
                outcome=outcome,
                received_at=at,
            )
        ],
        ignore_conflicts=True,
    )
    return StripeEvent.objects.filter(id=event.id, received_at=at).exists()


def effects_of(event: Event, gateway: Gateway, actor: Actor, at: datetime) -> list[Effect]:
    """What to do about an event, with everything fetched beforehand. Empty for a type of no concern.

    A refund or dispute brings its payment along, for it may be told of first.
    """
    if event.type.startswith("payment_intent."):
        return payment_effects(event.object_id, gateway, actor, at)
    if event.type.startswith("checkout.session."):
        checkout = gateway.checkout(event.object_id)
        return payment_effects(checkout.payment, gateway, actor, at)
    if event.type.startswith(("refund.", "charge.refund.")):
        refund = gateway.refund_now(event.object_id)
        return [
            *payment_effects(refund.payment, gateway, actor, at),
            lambda: none_of(settle_refund(outcome=refund, actor=actor, at=at)),
        ]
    if event.type.startswith("charge.dispute."):
        dispute = gateway.dispute(event.object_id)
        return [
            *payment_effects(dispute.payment, gateway, actor, at),
            lambda: none_of(settle_dispute(outcome=dispute, actor=actor, at=at)),
        ]
    return []


def payment_effects(
    payment_id: str | None, gateway: Gateway, actor: Actor, at: datetime
) -> list[Effect]:
    """Settle a payment, if there is one yet."""
    if not payment_id:
        return []
    payment = gateway.payment(payment_id)
    return [lambda: none_of(settle_payment(payment=payment, actor=actor, at=at))]


def none_of(_result: object) -> None:
    """Effects have no result."""
