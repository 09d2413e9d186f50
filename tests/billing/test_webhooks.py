"""Webhooks as they arrive: signed or not, early, late, twice, in any order, of unknown types."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from billing.gateways.configured import stand_in
from billing.gateways.fake import world
from billing.gateways.stripe_gateway import StripeGateway
from billing.models import LedgerTransaction, StripeEvent, TopUp, TopUpState
from billing.queries.balances import balance_of
from governance.kernel.money import usd
from governance.models import Organization
from tests.billing.payments import WEBHOOK, checkout, deliver, events, post, signed


@pytest.fixture
def gateway(db: None) -> StripeGateway:
    return stand_in()


@pytest.fixture
def paid_event(organization: Organization, gateway: StripeGateway) -> bytes:
    """The event of a payment that succeeded, not delivered yet."""
    top_up = checkout(organization.id, gateway)
    world.pay_checkout(top_up.checkout_session or "", "pm_card_visa")
    return json.dumps(events("payment_intent.succeeded")[-1]).encode()


def posted(organization: Organization) -> int:
    return balance_of(organization.id).posted


def test_a_paid_checkout_credits_the_wallet_once(
    client: Client, organization: Organization, paid_event: bytes
) -> None:
    accepted = deliver(client)

    assert accepted == 2
    assert posted(organization) == usd(25)
    assert TopUp.objects.get().state == TopUpState.SUCCEEDED


def test_the_same_event_again_changes_nothing(
    client: Client, organization: Organization, paid_event: bytes
) -> None:
    replies = [
        client.post(
            WEBHOOK,
            paid_event,
            content_type="application/json",
            headers={"stripe-signature": signed(paid_event)},
        ).json()
        for _ in range(3)
    ]

    assert [reply["outcome"] for reply in replies] == ["handled", "duplicate", "duplicate"]
    assert posted(organization) == usd(25)


def test_an_unsigned_event_is_refused(
    client: Client, organization: Organization, paid_event: bytes
) -> None:
    assert post(client, paid_event, "") == 400
    assert post(client, paid_event, "t=1,v1=00") == 400
    assert post(client, paid_event, signed(paid_event, secret="whsec_other")) == 400
    assert posted(organization) == 0


def test_a_body_that_was_written_anew_is_refused(
    client: Client, organization: Organization, paid_event: bytes
) -> None:
    rewritten = json.dumps(json.loads(paid_event), indent=1).encode()

    assert post(client, rewritten, signed(paid_event)) == 400
    assert posted(organization) == 0


@pytest.mark.parametrize("age", [timedelta(minutes=6), timedelta(minutes=-2)])
def test_a_signature_from_the_past_or_the_future_is_refused(
    client: Client, organization: Organization, paid_event: bytes, age: timedelta
) -> None:
    assert post(client, paid_event, signed(paid_event, age=age)) == 400
    assert posted(organization) == 0


def test_two_secrets_are_in_force_while_they_rotate(
    client: Client, organization: Organization, paid_event: bytes, settings: Any, monkeypatch: Any
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_of_a_real_account"
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_old", "whsec_new")
    monkeypatch.setattr("billing.api.webhooks.configured_gateway", stand_in)

    assert post(client, paid_event, signed(paid_event, secret="whsec_old")) == 200
    assert post(client, paid_event, signed(paid_event, secret="whsec_new")) == 200
    assert post(client, paid_event, signed(paid_event)) == 400
    assert posted(organization) == usd(25)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\xff", b'{"id":1,"type":"x","created":"y","data":{"object":{}}}']
)
def test_what_is_no_event_is_refused(db: None, client: Client, body: bytes) -> None:
    header = signed(body) if body != b"\xff" else "t=1,v1=00"

    assert post(client, body, header) == 400


def test_an_event_of_an_unknown_type_is_kept_and_ignored(
    client: Client, organization: Organization
) -> None:
    event = {
        "id": "evt_x",
        "type": "radar.early_fraud_warning.created",
        "created": 1_760_000_000,
        "data": {"object": {"id": "issfr_1", "object": "radar.early_fraud_warning"}},
    }
    body = json.dumps(event).encode()

    assert post(client, body, signed(body)) == 200
    assert StripeEvent.objects.get().outcome == "ignored"


def test_events_in_reverse_order_end_the_same(
    client: Client, organization: Organization, gateway: StripeGateway
) -> None:
    top_up = checkout(organization.id, gateway)
    world.pay_checkout(top_up.checkout_session or "", "pm_card_createDispute")
    bodies = [
        json.dumps(event).encode()
        for kind in (
            "charge.dispute.funds_withdrawn",
            "charge.dispute.created",
            "checkout.session.completed",
            "payment_intent.succeeded",
        )
        for event in events(kind)
    ]

    statuses = {post(client, body, signed(body)) for body in bodies}

    assert statuses == {200}
    assert posted(organization) == 0
    kinds = LedgerTransaction.objects.order_by("kind").values_list("kind", flat=True)
    assert list(kinds) == ["credit_paid", "dispute_withdrawn"]


def test_a_payment_that_we_never_heard_of_is_credited_from_its_metadata(
    client: Client, organization: Organization, paid_event: bytes
) -> None:
    TopUp.objects.all().delete()

    deliver(client)

    assert posted(organization) == usd(25)
    assert TopUp.objects.get().trigger == "found"


@pytest.mark.django_db(transaction=True)
def test_one_event_on_twenty_connections_credits_once(
    client: Client, organization: Organization, paid_event: bytes
) -> None:
    header, statuses = signed(paid_event), []

    def send() -> None:
        statuses.append(post(Client(), paid_event, header))
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [200] * 20
    assert posted(organization) == usd(25)
    assert StripeEvent.objects.count() == 1
