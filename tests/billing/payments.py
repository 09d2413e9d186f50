"""Stripe's stand-in in the hands of a test, and a transport that loses replies."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import stripe
from django.db import connection
from django.test import Client
from django.utils.timezone import now

from billing.gateways.configured import stand_in_secret
from billing.gateways.fake.delivery import deliver_events, signature_header
from billing.gateways.fake.transport import FakeTransport
from billing.gateways.stripe_gateway import StripeGateway
from billing.models import FakeStripeObject, TopUp
from billing.operations.top_ups import start_top_up
from billing.queries.credit_invariants import QUESTIONS, broken_statements
from governance.kernel.actors import SYSTEM
from governance.kernel.money import Microdollars, usd

WEBHOOK = "/billing/stripe/webhook"
RETURN_URL = "http://127.0.0.1:8000/o/aurora/billing"


class LossyTransport(FakeTransport):
    """Loses the reply of the next writes after Stripe has acted, or the request before."""

    lose_replies = 0
    lose_requests = 0

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        if method == "post" and self.lose_requests:
            self.lose_requests -= 1
            raise stripe.APIConnectionError("the request was lost")
        reply = super().request(method, url, headers, post_data, _usage=_usage)
        if method == "post" and self.lose_replies:
            self.lose_replies -= 1
            raise stripe.APIConnectionError("the reply was lost")
        return reply


def lossy_gateway() -> tuple[StripeGateway, LossyTransport]:
    """A stand-in whose connection a test can break."""
    transport = LossyTransport()
    return StripeGateway("sk_test_stand_in", transport=transport, is_stand_in=True), transport


def checkout(
    organization_id: UUID, gateway: StripeGateway, amount: int = usd(25), *, save: bool = False
) -> TopUp:
    """A checkout page that was opened."""
    return start_top_up(
        organization_id=organization_id,
        amount=Microdollars(amount),
        save_card=save,
        return_url=RETURN_URL,
        actor=SYSTEM,
        at=now(),
        gateway=gateway,
    )


def post(client: Client, body: bytes, header: str) -> int:
    """One webhook as it arrives over HTTP."""
    return client.post(
        WEBHOOK, body, content_type="application/json", headers={"stripe-signature": header}
    ).status_code


def deliver(client: Client) -> int:
    """Deliver every event that waits."""
    return deliver_events(
        secret=stand_in_secret(), send=lambda body, header: post(client, body, header)
    )


def events(event_type: str) -> list[dict[str, Any]]:
    """Events of a type, oldest first."""
    rows = FakeStripeObject.objects.filter(kind="event", body__type=event_type)
    return [row.body for row in rows.order_by("created", "id")]


def signed(body: bytes, *, secret: str | None = None, age: timedelta = timedelta(0)) -> str:
    """The signature header of a body that was signed ``age`` ago."""
    return signature_header(
        body, secret or stand_in_secret(), int(time.time() - age.total_seconds())
    )


def until(answer: Callable[[], Any], seconds: float = 60) -> Any:
    """Ask until there is an answer: Stripe's search lags behind its writes."""
    deadline = time.monotonic() + seconds
    while not (found := answer()) and time.monotonic() < deadline:
        time.sleep(2)
    return found


def credit_violations() -> list[str]:
    """What is wrong with lots, payments, refunds, disputes and statements; round the models."""
    found = list(broken_statements()[1])
    with connection.cursor() as cursor:
        for name, _count, breakers in QUESTIONS:
            cursor.execute(breakers)
            found += [f"{name}: {row[0]}" for row in cursor.fetchall()]
    return found
