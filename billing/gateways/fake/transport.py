"""The SDK's HTTP client, answered in this process: the SDK cannot tell it from Stripe."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.db import connection, transaction

from billing.gateways.fake.api import FakeError, answer
from billing.gateways.fake.forms import decode
from billing.models import FakeStripeReply
from governance.kernel.canonical import fingerprint

Reply = tuple[str, int, Mapping[str, str]]


class FakeTransport(stripe.HTTPClient):
    """Keeps Stripe's promise of idempotency: one key, one effect; another body is refused."""

    name = "stand-in"

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> Reply:
        """One request of the SDK, in one transaction of the stand-in's own."""
        parts = urlsplit(url)
        parameters = decode(post_data or parts.query)
        key = {name.lower(): value for name, value in (headers or {}).items()}.get(
            "idempotency-key"
        )
        with transaction.atomic():
            if key is None or method == "get":
                status, body = act(method, parts.path, parameters)
            else:
                status, body = act_once(key, method, parts.path, parameters)
        return body, status, {"Request-Id": "req_stand_in", "Content-Type": "application/json"}

    def close(self) -> None:
        """Nothing is open."""


def act(method: str, path: str, parameters: Mapping[str, Any]) -> tuple[int, str]:
    """Answer a request; status and body."""
    try:
        return 200, json.dumps(answer(method, path, parameters))
    except FakeError as error:
        return error.status, json.dumps(error.body)


def act_once(key: str, method: str, path: str, parameters: Mapping[str, Any]) -> tuple[int, str]:
    """Answer the first time; afterwards repeat the first answer, a decline included."""
    request = fingerprint([method, path, parameters])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 4712))", [key])
    earlier = FakeStripeReply.objects.filter(key=key).first()
    if earlier is None:
        status, body = act(method, path, parameters)
        FakeStripeReply.objects.create(key=key, request=request, status=status, body=body)
        return status, body
    if earlier.request != request:
        message = "Keys for idempotent requests can only be used with the same parameters."
        error = {"error": {"type": "idempotency_error", "message": message}}
        return 400, json.dumps(error)
    return earlier.status, earlier.body
