"""What happens at Stripe without our asking: people pay, banks decline, card owners dispute."""

import time
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from billing.gateways.fake.store import announce, change, create, find, where

# What a person may type on the stand-in's payment page, and how that card behaves, as at Stripe.
CARDS = {
    "4242424242424242": "pm_card_visa",
    "4000000000000002": "pm_card_chargeDeclined",
    "4000000000000341": "pm_card_chargeCustomerFail",
    "4000000000000259": "pm_card_createDispute",
}
BEHAVIOURS = {
    "pm_card_visa": ("visa", "4242"),
    "pm_card_mastercard": ("mastercard", "4444"),
    "pm_card_chargeDeclined": ("visa", "0002"),
    "pm_card_chargeCustomerFail": ("visa", "0341"),
    "pm_card_createDispute": ("visa", "0259"),
}
DECLINING = {"pm_card_chargeDeclined"}
DECLINING_LATER = {"pm_card_chargeDeclined", "pm_card_chargeCustomerFail"}
PERCENT_FEE_PPM, FIXED_FEE_CENTS, DISPUTE_FEE_CENTS = 29_000, 30, 1_500
PPM = 1_000_000


def method_of(token: str, customer: str | None) -> dict[str, Any]:
    """A payment method that behaves like ``token``."""
    brand, last4 = BEHAVIOURS[token]
    return create(
        "payment_method",
        type="card",
        customer=customer,
        card={"brand": brand, "last4": last4, "exp_month": 12, "exp_year": 2034},
        metadata={"behaves_like": token},
    )


def behaviour(method: Mapping[str, Any]) -> str:
    """Which of the known cards it behaves like."""
    return str(method["metadata"].get("behaves_like", "pm_card_visa"))


@transaction.atomic
def pay_checkout(session_id: str, token: str) -> dict[str, Any]:
    """Somebody pays on the page with a card; returns the session. A decline leaves it open."""
    session = find("checkout.session", session_id)
    if session is None or session["status"] != "open":
        return session or {}
    intent = find("payment_intent", session["payment_intent"])
    assert intent is not None
    method = method_of(token, session["customer"])
    if token in DECLINING:
        decline(intent, method)
        return session
    succeed(intent, method)
    session = change(session, status="complete", payment_status="paid", url=None)
    announce("checkout.session.completed", session)
    return session


@transaction.atomic
def expire_checkout(session_id: str) -> None:
    """Nobody paid within a day."""
    session = find("checkout.session", session_id)
    if session and session["status"] == "open":
        announce("checkout.session.expired", change(session, status="expired", url=None))


def decline(intent: Mapping[str, Any], method: Mapping[str, Any]) -> dict[str, Any]:
    """The bank says no; the intent waits for another card."""
    declined = change(
        intent,
        status="requires_payment_method",
        payment_method=None,
        last_payment_error={
            "code": "card_declined",
            "decline_code": "generic_decline",
            "type": "card_error",
            "message": "Your card was declined.",
            "payment_method": {"id": method["id"]},
        },
    )
    announce("payment_intent.payment_failed", declined)
    return declined


def succeed(intent: Mapping[str, Any], method: Mapping[str, Any]) -> dict[str, Any]:
    """The money moves: charge, balance transaction, events."""
    amount = intent["amount"]
    charge = create(
        "charge",
        amount=amount,
        amount_refunded=0,
        currency="usd",
        payment_intent=intent["id"],
        customer=intent["customer"],
        status="succeeded",
        paid=True,
        metadata=intent["metadata"],
    )
    settle("charge", charge["id"], amount, amount * PERCENT_FEE_PPM // PPM + FIXED_FEE_CENTS)
    paid = change(
        intent,
        status="succeeded",
        amount_received=amount,
        payment_method=method["id"],
        latest_charge=charge["id"],
        last_payment_error=None,
    )
    announce("payment_intent.succeeded", paid)
    if behaviour(method) == "pm_card_createDispute":
        open_dispute(paid["id"])
    return paid


def settle(kind: str, source: str, amount: int, fee: int = 0) -> dict[str, Any]:
    """One line of Stripe's ledger."""
    return create(
        "balance_transaction",
        type=kind,
        source=source,
        amount=amount,
        fee=fee,
        net=amount - fee,
        currency="usd",
        status="available",
        available_on=int(time.time()),
    )


def open_dispute(payment: str, amount: int | None = None, status: str = "needs_response") -> str:
    """The card's owner contests a payment; an inquiry (``warning_...``) moves no money yet."""
    charge = where("charge", payment_intent=payment)[0]
    disputed = amount or charge["amount"]
    dispute = create(
        "dispute",
        amount=disputed,
        currency="usd",
        charge=charge["id"],
        payment_intent=payment,
        status=status,
        reason="fraudulent",
        balance_transactions=[],
    )
    announce("charge.dispute.created", dispute)
    if not status.startswith("warning_"):
        line = settle("adjustment", dispute["id"], -disputed, DISPUTE_FEE_CENTS)
        announce("charge.dispute.funds_withdrawn", change(dispute, balance_transactions=[line]))
    return str(dispute["id"])


@transaction.atomic
def close_dispute(dispute_id: str, *, won: bool) -> None:
    """The bank decides; a won dispute gives the money back."""
    dispute = find("dispute", dispute_id)
    assert dispute is not None
    lines = list(dispute["balance_transactions"])
    if won and lines:
        lines.append(settle("adjustment", dispute_id, dispute["amount"]))
    closed = change(dispute, status="won" if won else "lost", balance_transactions=lines)
    if won and len(lines) > 1:
        announce("charge.dispute.funds_reinstated", closed)
    announce("charge.dispute.closed", closed)
