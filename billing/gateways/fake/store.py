"""The stand-in's objects, in our own database, so that every process sees the same Stripe."""

import json
import secrets
import string
import time
from collections.abc import Mapping
from typing import Any

from billing.models import FakeStripeObject

ALPHABET = string.ascii_letters + string.digits
PREFIXES = {
    "customer": "cus",
    "checkout.session": "cs_test",
    "payment_intent": "pi",
    "payment_method": "pm",
    "charge": "ch",
    "refund": "re",
    "dispute": "dp",
    "balance_transaction": "txn",
    "event": "evt",
}
API_VERSION = "2026-10-28.endive"


def new_id(kind: str) -> str:
    """An id in Stripe's style."""
    return f"{PREFIXES[kind]}_" + "".join(secrets.choice(ALPHABET) for _ in range(24))


def create(kind: str, **fields: Any) -> dict[str, Any]:
    """Store a new object and return it."""
    body: dict[str, Any] = {
        "id": new_id(kind),
        "object": kind,
        "created": int(time.time()),
        "livemode": False,
        **fields,
    }
    FakeStripeObject.objects.create(id=body["id"], kind=kind, created=body["created"], body=body)
    return body


def find(kind: str, object_id: str) -> dict[str, Any] | None:
    """The object, locked if inside a transaction would be too strict: the last writer wins."""
    row = FakeStripeObject.objects.filter(id=object_id, kind=kind).first()
    return dict(row.body) if row else None


def change(body: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Store new values of some fields and return the object."""
    changed = {**body, **fields}
    FakeStripeObject.objects.filter(id=changed["id"]).update(body=changed)
    return changed


def where(kind: str, **equal: Any) -> list[dict[str, Any]]:
    """Objects whose fields have these values, newest first."""
    rows = FakeStripeObject.objects.filter(kind=kind, body__contains=equal)
    return [row.body for row in rows.order_by("-created", "-id")]


def announce(event_type: str, about: Mapping[str, Any]) -> None:
    """An event, to be delivered as a signed webhook."""
    event: dict[str, Any] = {
        "id": new_id("event"),
        "object": "event",
        "api_version": API_VERSION,
        "created": int(time.time()),
        "type": event_type,
        "livemode": False,
        "pending_webhooks": 1,
        "data": {"object": json.loads(json.dumps(dict(about)))},
    }
    FakeStripeObject.objects.create(
        id=event["id"], kind="event", created=event["created"], body=event, delivered=False
    )
