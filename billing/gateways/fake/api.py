"""The endpoints of the stand-in, in Stripe's request and reply formats."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from billing.gateways.fake import world
from billing.gateways.fake.store import announce, change, create, find, where

Parameters = Mapping[str, Any]
MOST_CENTS = 99_999_999


class FakeError(Exception):
    """An error reply, as Stripe would write it."""

    def __init__(self, status: int, kind: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **more}}


def refuse(message: str) -> FakeError:
    """A request that can never work."""
    return FakeError(400, "invalid_request_error", message)


def need(kind: str, object_id: str) -> dict[str, Any]:
    """The object or Stripe's 404."""
    found = find(kind, object_id)
    if found is None:
        raise FakeError(
            404, "invalid_request_error", f"No such {kind}: '{object_id}'", code="resource_missing"
        )
    return found


def amount_in(parameters: Parameters, name: str = "amount") -> int:
    """A positive number of cents."""
    text = str(parameters.get(name, ""))
    if not text.isdigit() or not 0 < int(text) <= MOST_CENTS:
        raise refuse(f"Invalid integer: {text or name}")
    return int(text)


def create_customer(parameters: Parameters) -> dict[str, Any]:
    """POST /v1/customers."""
    return create(
        "customer", name=parameters.get("name"), metadata=dict(parameters.get("metadata", {}))
    )


def attach_method(parameters: Parameters, method: str) -> dict[str, Any]:
    """POST /v1/payment_methods/…/attach; the test tokens make a card that behaves like them."""
    customer = need("customer", str(parameters.get("customer")))["id"]
    if method in world.BEHAVIOURS:
        return world.method_of(method, customer)
    return change(need("payment_method", method), customer=customer)


def create_session(parameters: Parameters) -> dict[str, Any]:
    """POST /v1/checkout/sessions, for a payment of one item."""
    item = parameters["line_items"][0]
    amount = amount_in(item["price_data"], "unit_amount") * int(item["quantity"])
    customer = need("customer", str(parameters["customer"]))["id"]
    wanted = parameters.get("payment_intent_data", {})
    intent = create(
        "payment_intent",
        amount=amount,
        amount_received=0,
        currency="usd",
        customer=customer,
        status="requires_payment_method",
        payment_method=None,
        last_payment_error=None,
        metadata=dict(wanted.get("metadata", {})),
        setup_future_usage=wanted.get("setup_future_usage"),
    )
    session = create(
        "checkout.session",
        mode="payment",
        status="open",
        payment_status="unpaid",
        amount_total=amount,
        currency="usd",
        customer=customer,
        payment_intent=intent["id"],
        client_reference_id=parameters.get("client_reference_id"),
        metadata=dict(parameters.get("metadata", {})),
        success_url=parameters["success_url"],
        cancel_url=parameters["cancel_url"],
    )
    return change(session, url=f"{settings.PUBLIC_URL}/billing/stand-in/checkout/{session['id']}")


def create_intent(parameters: Parameters) -> dict[str, Any]:
    """POST /v1/payment_intents: only a saved card, charged at once."""
    customer = need("customer", str(parameters["customer"]))["id"]
    method = need("payment_method", str(parameters["payment_method"]))
    if method["customer"] != customer:
        raise refuse("The customer does not have a payment method with this ID.")
    intent = create(
        "payment_intent",
        amount=amount_in(parameters),
        amount_received=0,
        currency="usd",
        customer=customer,
        status="requires_confirmation",
        payment_method=method["id"],
        last_payment_error=None,
        metadata=dict(parameters.get("metadata", {})),
    )
    if world.behaviour(method) in world.DECLINING_LATER:
        declined = world.decline(intent, method)
        raise FakeError(
            402,
            "card_error",
            "Your card was declined.",
            code="card_declined",
            decline_code="generic_decline",
            payment_intent=declined,
        )
    return world.succeed(intent, method)


def search_intents(parameters: Parameters) -> dict[str, Any]:
    """GET /v1/payment_intents/search, for one metadata field."""
    match = re.fullmatch(r"metadata\['(\w+)'\]:'([\w-]+)'", str(parameters.get("query")))
    if match is None:
        raise refuse("This query is not known here.")
    found = where("payment_intent", metadata={match[1]: match[2]})
    return {
        "object": "search_result",
        "data": found[: int(parameters.get("limit", 10))],
        "has_more": False,
        "url": "/v1/payment_intents/search",
    }


def create_refund(parameters: Parameters) -> dict[str, Any]:
    """POST /v1/refunds, never more than what is left of the charge."""
    charges = where("charge", payment_intent=str(parameters["payment_intent"]))
    if not charges:
        raise refuse("This PaymentIntent does not have a successful charge to refund.")
    charge, amount = charges[0], amount_in(parameters)
    if amount > charge["amount"] - charge["amount_refunded"]:
        raise FakeError(
            400,
            "invalid_request_error",
            "Refund amount is greater than unrefunded amount on charge",
            code="charge_already_refunded",
        )
    charge = change(charge, amount_refunded=charge["amount_refunded"] + amount)
    refund = create(
        "refund",
        amount=amount,
        currency="usd",
        charge=charge["id"],
        payment_intent=charge["payment_intent"],
        status="succeeded",
        metadata=dict(parameters.get("metadata", {})),
    )
    world.settle("refund", refund["id"], -amount)
    announce("refund.created", refund)
    announce("charge.refunded", charge)
    return refund


def list_refunds(parameters: Parameters) -> dict[str, Any]:
    """GET /v1/refunds of one payment."""
    found = where("refund", payment_intent=str(parameters["payment_intent"]))
    return {"object": "list", "data": found, "has_more": False, "url": "/v1/refunds"}


def list_settlements(parameters: Parameters) -> dict[str, Any]:
    """GET /v1/balance_transactions, newest first, by page."""
    created = parameters.get("created", {})
    since, until = int(created.get("gte", 0)), int(created.get("lt", 2**40))
    lines = [line for line in where("balance_transaction") if since <= line["created"] < until]
    after = parameters.get("starting_after")
    if after:
        start = next(i for i, line in enumerate(lines) if line["id"] == after) + 1
        lines = lines[start:]
    limit = int(parameters.get("limit", 10))
    return {
        "object": "list",
        "data": lines[:limit],
        "has_more": len(lines) > limit,
        "url": "/v1/balance_transactions",
    }


def retrieve(kind: str) -> Callable[[Parameters, str], dict[str, Any]]:
    """GET of one object."""
    return lambda _parameters, object_id: need(kind, object_id)


ROUTES: tuple[tuple[str, str, Callable[..., dict[str, Any]]], ...] = (
    ("post", "/v1/customers", create_customer),
    ("post", "/v1/payment_methods/([^/]+)/attach", attach_method),
    ("post", "/v1/checkout/sessions", create_session),
    ("get", "/v1/checkout/sessions/([^/]+)", retrieve("checkout.session")),
    ("post", "/v1/payment_intents", create_intent),
    ("get", "/v1/payment_intents/search", search_intents),
    ("get", "/v1/payment_intents/([^/]+)", retrieve("payment_intent")),
    ("post", "/v1/refunds", create_refund),
    ("get", "/v1/refunds", list_refunds),
    ("get", "/v1/refunds/([^/]+)", retrieve("refund")),
    ("get", "/v1/disputes/([^/]+)", retrieve("dispute")),
    ("get", "/v1/balance_transactions", list_settlements),
)


def answer(method: str, path: str, parameters: Parameters) -> dict[str, Any]:
    """The reply to one request, with what ``expand`` asks for. Raises FakeError."""
    for verb, pattern, endpoint in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and verb == method:
            body = endpoint(parameters, *match.groups())
            return expanded(body, parameters.get("expand", []))
    raise FakeError(404, "invalid_request_error", f"Unrecognized request URL ({method} {path})")


def expanded(body: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """Replace ids by their objects where ``expand`` names them."""
    for path in paths:
        first, _, rest = path.partition(".")
        if first == "data" and rest:
            body = {**body, "data": [expanded(item, [rest]) for item in body["data"]]}
        elif isinstance(body.get(first), str):
            body = {**body, first: any_object(body[first])}
    return body


def any_object(object_id: str) -> Any:
    """The object of whatever kind, or the id itself."""
    kinds = ("payment_method", "charge", "refund", "dispute")
    return next((found for kind in kinds if (found := find(kind, object_id))), object_id)
