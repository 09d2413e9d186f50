"""Delivers the stand-in's events as Stripe does: signed, over HTTP, until they are accepted."""

import json
import time
from collections.abc import Callable

import stripe

from billing.models import FakeStripeObject

ACCEPTED = range(200, 300)
SIGNATURE_HEADER = "Stripe-Signature"
Send = Callable[[bytes, str], int]


def deliver_events(*, secret: str, send: Send, limit: int = 100) -> int:
    """Send what was not accepted yet, oldest first; returns how many were accepted."""
    waiting = FakeStripeObject.objects.filter(kind="event", delivered=False)
    accepted = 0
    for row in waiting.order_by("created", "id")[:limit]:
        body = json.dumps(row.body).encode()
        if send(body, signature_header(body, secret, int(time.time()))) in ACCEPTED:
            FakeStripeObject.objects.filter(id=row.id).update(delivered=True)
            accepted += 1
    return accepted


def signature_header(body: bytes, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header of ``body``, made by the SDK itself."""
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, timestamp))
