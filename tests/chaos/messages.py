"""``python -m tests.chaos.messages SEED``: doorbells and a payment's webhooks, repeated and out of order.

Says on its last line what it sent. The stand-in for Stripe delivers nothing by itself here.
"""

import json
import os
import random
import sys
import time
from contextlib import suppress
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
django.setup()

# ruff: noqa: E402, T201 (Django first; the last line is the result)
import httpx
from django.conf import settings
from django.utils.timezone import now

from billing.gateways.configured import configured_gateway, stand_in_secret
from billing.gateways.fake.delivery import signature_header
from billing.gateways.fake.world import pay_checkout
from billing.models import FakeStripeObject
from billing.operations.top_ups import start_top_up
from governance.kernel.actors import SYSTEM
from governance.kernel.ids import uuid7
from governance.kernel.money import usd
from governance.models import Organization
from inference.models import Generation
from inference.tasks import doorbell

TIMES = 3
RINGS = 40


def events_of_a_payment() -> list[dict[str, Any]]:
    """Somebody pays 25 USD; what Stripe would tell of it, and of what was paid before."""
    organization = Organization.objects.filter(slug__startswith="bench-").order_by("?")[0]
    top_up = start_top_up(
        organization_id=organization.id,
        amount=usd(25),
        save_card=False,
        return_url=settings.PUBLIC_URL,
        actor=SYSTEM,
        at=now(),
        gateway=configured_gateway(),
    )
    pay_checkout(top_up.checkout_session, "pm_card_visa")
    return [row.body for row in FakeStripeObject.objects.filter(kind="event")]


def post(http: httpx.Client, event: dict[str, Any]) -> bool:
    """Whether the event was accepted."""
    body = json.dumps(event).encode()
    signature = signature_header(body, stand_in_secret(), int(time.time()))
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    with suppress(httpx.HTTPError):
        return http.post("/billing/stripe/webhook", content=body, headers=headers).is_success
    return False


def main(seed: int) -> None:
    """Ring for jobs that are, were and never will be; send each event several times, shuffled."""
    dice = random.Random(seed)
    known = list(Generation.objects.order_by("?").values_list("id", flat=True)[:RINGS])
    rings = [*known, *known, uuid7(), uuid7()]
    dice.shuffle(rings)
    for job in rings:
        doorbell.apply_async((str(job),), retry=False)
    events = events_of_a_payment() * TIMES
    dice.shuffle(events)
    with httpx.Client(base_url=settings.PUBLIC_URL, timeout=20) as http:
        accepted = sum(post(http, event) for event in events)
    print(f"rang {len(rings)} times, sent {len(events)} events, {accepted} were accepted")


if __name__ == "__main__":
    main(int(sys.argv[1]))
