"""What billing relies on a payment provider for: the stand-in, and Stripe's test mode given a key.

STRIPE_TEST_KEY=sk_test_... make test ARGS=tests/billing/test_gateway_contract.py
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from billing.gateways.configured import stand_in
from billing.gateways.protocol import CardDeclined, GatewayRefused
from billing.gateways.stripe_gateway import StripeGateway
from governance.kernel.ids import uuid7
from governance.kernel.money import usd
from tests.billing.payments import RETURN_URL, until

TEST_KEY = os.environ.get("STRIPE_TEST_KEY", "")


def providers() -> Iterator[Any]:
    yield pytest.param("stand-in")
    # Without a key there is no Stripe to ask, so the parameter does not exist.
    if TEST_KEY:
        yield pytest.param("stripe")


@pytest.fixture(params=list(providers()))
def gateway(request: pytest.FixtureRequest, db: None) -> StripeGateway:
    return stand_in() if request.param == "stand-in" else StripeGateway(TEST_KEY)


@pytest.fixture
def customer(gateway: StripeGateway) -> str:
    return gateway.create_customer(organization_id=uuid7(), name="Aurora Studio")


def attach(gateway: StripeGateway, customer: str, token: str) -> str:
    return gateway.client.v1.payment_methods.attach(token, {"customer": customer}).id


def charge(gateway: StripeGateway, customer: str, token: str = "pm_card_visa", **more: Any) -> Any:
    wanted = {
        "top_up_id": uuid7(),
        "organization_id": uuid7(),
        "customer": customer,
        "payment_method": attach(gateway, customer, token),
        "amount": usd(25),
        **more,
    }
    return gateway.charge_saved_card(**wanted)


def test_one_organization_has_one_customer(gateway: StripeGateway) -> None:
    organization = uuid7()

    first = gateway.create_customer(organization_id=organization, name="Aurora Studio")
    second = gateway.create_customer(organization_id=organization, name="Aurora Studio")

    assert first == second


def test_a_checkout_page_opens_once_per_top_up(gateway: StripeGateway, customer: str) -> None:
    wanted = {
        "top_up_id": uuid7(),
        "organization_id": uuid7(),
        "customer": customer,
        "amount": usd(10),
        "save_card": True,
        "success_url": RETURN_URL,
        "cancel_url": RETURN_URL,
    }

    first, second = gateway.open_checkout(**wanted), gateway.open_checkout(**wanted)

    assert first == second
    assert first.state == "open"
    assert gateway.checkout(first.id).url.startswith("http")


def test_a_saved_card_is_charged_and_names_our_top_up(
    gateway: StripeGateway, customer: str
) -> None:
    top_up = uuid7()

    payment = charge(gateway, customer, top_up_id=top_up)

    assert (payment.state, payment.received, payment.currency) == ("succeeded", usd(25), "usd")
    assert payment.top_up_id == top_up
    assert payment.card.label.endswith("4242")
    assert gateway.payment(payment.id) == payment


def test_the_same_top_up_is_charged_once(gateway: StripeGateway, customer: str) -> None:
    wanted = {"top_up_id": uuid7(), "organization_id": uuid7()}
    method = attach(gateway, customer, "pm_card_visa")

    payments = {
        gateway.charge_saved_card(
            **wanted, customer=customer, payment_method=method, amount=usd(25)
        ).id
        for _ in range(3)
    }

    assert len(payments) == 1


def test_an_idempotency_key_with_another_body_is_refused(
    gateway: StripeGateway, customer: str
) -> None:
    wanted = {"top_up_id": uuid7(), "organization_id": uuid7(), "customer": customer}
    method = attach(gateway, customer, "pm_card_visa")
    gateway.charge_saved_card(**wanted, payment_method=method, amount=usd(25))

    with pytest.raises(GatewayRefused):
        gateway.charge_saved_card(**wanted, payment_method=method, amount=usd(26))


def test_a_declined_card_says_so_and_moves_nothing(gateway: StripeGateway, customer: str) -> None:
    with pytest.raises(CardDeclined) as declined:
        charge(gateway, customer, "pm_card_chargeCustomerFail")

    assert declined.value.code == "generic_decline"
    assert declined.value.payment is not None
    assert gateway.payment(declined.value.payment).state == "failed"


def test_a_payment_is_found_by_our_id(gateway: StripeGateway, customer: str) -> None:
    top_up = uuid7()
    payment = charge(gateway, customer, top_up_id=top_up)

    found = until(lambda: gateway.find_payment(top_up))

    assert found == payment
    assert gateway.find_payment(uuid7()) is None


def test_a_refund_is_made_once_and_found_by_our_id(gateway: StripeGateway, customer: str) -> None:
    payment, refund_id = charge(gateway, customer), uuid7()

    first = gateway.refund(refund_id=refund_id, payment=payment.id, amount=usd(10))
    again = gateway.refund(refund_id=refund_id, payment=payment.id, amount=usd(10))

    assert first.id == again.id
    assert (first.payment, first.amount) == (payment.id, usd(10))
    assert gateway.refund_now(first.id).refund_id == refund_id
    assert gateway.find_refund(refund_id=refund_id, payment=payment.id) is not None
    assert gateway.find_refund(refund_id=uuid7(), payment=payment.id) is None


def test_refunds_never_exceed_the_payment(gateway: StripeGateway, customer: str) -> None:
    payment = charge(gateway, customer)
    gateway.refund(refund_id=uuid7(), payment=payment.id, amount=usd(20))

    with pytest.raises(GatewayRefused):
        gateway.refund(refund_id=uuid7(), payment=payment.id, amount=usd(6))


def test_the_providers_ledger_lists_payments_and_refunds(
    gateway: StripeGateway, customer: str
) -> None:
    since = now() - timedelta(seconds=5)
    payment = charge(gateway, customer)
    refund = gateway.refund(refund_id=uuid7(), payment=payment.id, amount=usd(10))

    lines = {
        line.source: line
        for line in gateway.settlements(since=since, until=now() + timedelta(minutes=5))
    }

    assert lines[payment.id].amount == usd(25)
    assert lines[payment.id].fee > 0
    assert lines[refund.id].amount == -usd(10)


def test_what_does_not_exist_is_refused(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayRefused):
        gateway.payment("pi_doesnotexist")
