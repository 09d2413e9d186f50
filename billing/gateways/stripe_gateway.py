"""Stripe through its own SDK. With the stand-in's transport the very same code runs without Stripe."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe

from billing.gateways.protocol import (
    Card,
    CardDeclined,
    Checkout,
    DisputeOutcome,
    GatewayRefused,
    GatewayUnavailable,
    Payment,
    PaymentState,
    RefundOutcome,
    RefundStatus,
    Settlement,
)

MICROUSD_PER_CENT = 10_000
RETRIES = 2
PAYMENT_STATES: dict[str, PaymentState] = {"succeeded": "succeeded", "canceled": "cancelled"}
REFUND_STATES: dict[str, RefundStatus] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}
FIRST_SERVER_ERROR, TOO_MANY = 500, 429


class StripeGateway:
    """The Gateway protocol on Stripe's API. Retries inside the SDK reuse the idempotency key."""

    def __init__(
        self, api_key: str, *, transport: stripe.HTTPClient | None = None, is_stand_in: bool = False
    ) -> None:
        self.is_stand_in = is_stand_in
        self.client = stripe.StripeClient(
            api_key, http_client=transport, max_network_retries=0 if transport else RETRIES
        )

    def create_customer(self, *, organization_id: UUID, name: str) -> str:
        with outcomes():
            customer = self.client.v1.customers.create(
                {"name": name, "metadata": {"organization": str(organization_id)}},
                {"idempotency_key": f"customer:{organization_id}"},
            )
        return customer.id

    def open_checkout(
        self,
        *,
        top_up_id: UUID,
        organization_id: UUID,
        customer: str,
        amount: int,
        save_card: bool,
        success_url: str,
        cancel_url: str,
    ) -> Checkout:
        metadata = {"top_up": str(top_up_id), "organization": str(organization_id)}
        intent: dict[str, Any] = {"metadata": metadata}
        if save_card:
            intent["setup_future_usage"] = "off_session"
        item = {
            "price_data": {
                "currency": "usd",
                "unit_amount": cents(amount),
                "product_data": {"name": "Prepaid credit for image generation"},
            },
            "quantity": 1,
        }
        params: Any = {
            "mode": "payment",
            "customer": customer,
            "line_items": [item],
            "payment_intent_data": intent,
            "metadata": metadata,
            "client_reference_id": str(top_up_id),
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        with outcomes():
            session = self.client.v1.checkout.sessions.create(
                params, {"idempotency_key": f"checkout:{top_up_id}"}
            )
        return checkout_of(session.to_dict())

    def charge_saved_card(
        self,
        *,
        top_up_id: UUID,
        organization_id: UUID,
        customer: str,
        payment_method: str,
        amount: int,
    ) -> Payment:
        params: Any = {
            "amount": cents(amount),
            "currency": "usd",
            "customer": customer,
            "payment_method": payment_method,
            "payment_method_types": ["card"],
            "off_session": True,
            "confirm": True,
            "metadata": {"top_up": str(top_up_id), "organization": str(organization_id)},
            "expand": ["payment_method"],
        }
        with outcomes():
            intent = self.client.v1.payment_intents.create(
                params, {"idempotency_key": f"charge:{top_up_id}"}
            )
        return payment_of(intent.to_dict())

    def payment(self, payment: str) -> Payment:
        with outcomes():
            intent = self.client.v1.payment_intents.retrieve(
                payment, {"expand": ["payment_method"]}
            )
        return payment_of(intent.to_dict())

    def checkout(self, session: str) -> Checkout:
        with outcomes():
            found = self.client.v1.checkout.sessions.retrieve(session)
        return checkout_of(found.to_dict())

    def find_payment(self, top_up_id: UUID) -> Payment | None:
        query = f"metadata['top_up']:'{top_up_id}'"
        with outcomes():
            found = self.client.v1.payment_intents.search({"query": query, "limit": 1})
        return self.payment(found.data[0].id) if found.data else None

    def refund(self, *, refund_id: UUID, payment: str, amount: int) -> RefundOutcome:
        with outcomes():
            refund = self.client.v1.refunds.create(
                {
                    "payment_intent": payment,
                    "amount": cents(amount),
                    "metadata": {"refund": str(refund_id)},
                },
                {"idempotency_key": f"refund:{refund_id}"},
            )
        return refund_of(refund.to_dict())

    def find_refund(self, *, refund_id: UUID, payment: str) -> RefundOutcome | None:
        with outcomes():
            page = self.client.v1.refunds.list({"payment_intent": payment, "limit": 100})
            found = [refund_of(refund.to_dict()) for refund in page.auto_paging_iter()]
        return next((refund for refund in found if refund.refund_id == refund_id), None)

    def refund_now(self, refund: str) -> RefundOutcome:
        with outcomes():
            return refund_of(self.client.v1.refunds.retrieve(refund).to_dict())

    def dispute(self, dispute: str) -> DisputeOutcome:
        with outcomes():
            return dispute_of(self.client.v1.disputes.retrieve(dispute).to_dict())

    def settlements(self, *, since: datetime, until: datetime) -> Iterator[Settlement]:
        params: Any = {
            "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
            "limit": 100,
            "expand": ["data.source"],
        }
        with outcomes():
            page = self.client.v1.balance_transactions.list(params)
            for line in page.auto_paging_iter():
                yield settlement_of(line.to_dict())


@contextmanager
def outcomes() -> Iterator[None]:
    """Translate the SDK's errors into the three outcomes: declined, refused, unknown."""
    try:
        yield
    except stripe.CardError as error:
        body: Any = error.json_body or {}
        facts = body.get("error", {})
        intent, decline = facts.get("payment_intent") or {}, facts.get("decline_code")
        raise CardDeclined(
            str(decline or error.code or "card_declined"), intent.get("id")
        ) from error
    except stripe.APIConnectionError as error:
        raise GatewayUnavailable(str(error)) from error
    except stripe.StripeError as error:
        status = error.http_status or FIRST_SERVER_ERROR
        if status >= FIRST_SERVER_ERROR or status == TOO_MANY:
            raise GatewayUnavailable(str(error)) from error
        raise GatewayRefused(str(error)) from error


def cents(amount: int) -> int:
    """µUSD as whole cents; a payment is never a fraction of a cent."""
    whole, rest = divmod(amount, MICROUSD_PER_CENT)
    assert rest == 0, "payments are whole cents"
    return whole


def when(stamp: Any) -> datetime:
    """Stripe's seconds since 1970."""
    return datetime.fromtimestamp(int(stamp), UTC)


def identifier(text: Any) -> UUID | None:
    """An id of ours from metadata; None for what is absent or somebody else's."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def id_of(reference: Any) -> str | None:
    """The id of an object that may or may not be expanded."""
    found = reference.get("id") if isinstance(reference, dict) else reference
    return str(found) if found else None


def card_of(method: Any) -> Card | None:
    """The card of an expanded payment method."""
    if not isinstance(method, dict) or not method.get("card"):
        return None
    card = method["card"]
    return Card(method["id"], f"{card['brand']} ending in {card['last4']}")


def payment_of(intent: dict[str, Any]) -> Payment:
    """A PaymentIntent as a Payment. One that waits for another card after a decline has failed."""
    error = intent.get("last_payment_error") or {}
    waits_for_card = intent["status"] == "requires_payment_method"
    state = PAYMENT_STATES.get(intent["status"], "failed" if error and waits_for_card else "open")
    metadata = intent.get("metadata") or {}
    return Payment(
        id=intent["id"],
        state=state,
        received=int(intent.get("amount_received") or 0) * MICROUSD_PER_CENT,
        currency=intent["currency"],
        top_up_id=identifier(metadata.get("top_up")),
        organization_id=identifier(metadata.get("organization")),
        card=card_of(intent.get("payment_method")),
        failure=str(error.get("decline_code") or error.get("code") or ""),
        created_at=when(intent["created"]),
    )


def checkout_of(session: dict[str, Any]) -> Checkout:
    """A Checkout Session as a Checkout."""
    return Checkout(
        id=session["id"],
        url=session.get("url") or "",
        state=session["status"],
        payment=id_of(session.get("payment_intent")),
    )


def refund_of(refund: dict[str, Any]) -> RefundOutcome:
    """A Refund as a RefundOutcome."""
    return RefundOutcome(
        id=refund["id"],
        payment=id_of(refund.get("payment_intent")) or "",
        amount=int(refund["amount"]) * MICROUSD_PER_CENT,
        status=REFUND_STATES.get(refund["status"], "pending"),
        refund_id=identifier((refund.get("metadata") or {}).get("refund")),
        created_at=when(refund["created"]),
    )


def dispute_of(dispute: dict[str, Any]) -> DisputeOutcome:
    """A Dispute as a DisputeOutcome: what moved is read from its balance transactions."""
    moves = [int(line["amount"]) for line in dispute.get("balance_transactions") or []]
    return DisputeOutcome(
        id=dispute["id"],
        payment=id_of(dispute.get("payment_intent")) or "",
        amount=int(dispute["amount"]) * MICROUSD_PER_CENT,
        status=dispute["status"],
        withdrawn=any(move < 0 for move in moves),
        reinstated=any(move > 0 for move in moves),
        created_at=when(dispute["created"]),
    )


def settlement_of(line: dict[str, Any]) -> Settlement:
    """A balance transaction; a charge is named by its payment, everything else by its own id."""
    source = line.get("source")
    name = id_of(source) or ""
    if isinstance(source, dict) and source.get("object") == "charge":
        name = id_of(source.get("payment_intent")) or name
    return Settlement(
        id=line["id"],
        kind=line["type"],
        source=name,
        amount=int(line["amount"]) * MICROUSD_PER_CENT,
        fee=int(line["fee"]) * MICROUSD_PER_CENT,
        created_at=when(line["created"]),
    )
