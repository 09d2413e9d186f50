"""Targets: what stands in a request. Bodies, headers, addresses, keys, cursors, signatures."""

import io
import json
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import stripe
from django.test import RequestFactory
from rest_framework.exceptions import ParseError

from billing.gateways.signatures import SignatureRejected, verified_event
from governance.api.paging import page_size
from governance.api.parsers import BodyTooDeep, BodyTooLarge, BoundedJSONParser
from governance.gateways.webhook_addresses import (
    WebhookAddressRefused,
    address_to_call,
    is_public,
    parsed_target,
)
from governance.gateways.webhook_transport import _wish
from governance.kernel import notes
from governance.kernel.errors import InvalidRequest, NotFound
from governance.kernel.scanner_signature import is_signed
from governance.kernel.secrets import generate_key, is_well_formed
from governance.operations.api_keys import network_list
from governance.queries.webhooks import _cursor as webhook_cursor
from inference.api.admission import preferred_wait, repetition_of
from inference.api.content import RangeNotSatisfiable, is_for_another, range_of
from inference.api.pictures import picture_in
from inference.api.training_jobs import cursor_of
from inference.operations.addresses import AddressInvalid, artifact_behind
from inference.queries.generations import _cursor as generation_cursor
from moderation.classifiers.text.normalise import for_language, views_of
from tests.fuzzing.target import Runs, Target

SECRET = "whsec_fuzz"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def text(data: bytes) -> str:
    """As a header arrives: each byte a character."""
    return data.decode("latin-1")


def parse_json() -> Runs:
    return lambda data: BoundedJSONParser().parse(io.BytesIO(data), "application/json", {})


def read_stripe_event() -> Runs:
    """The mutated body, signed with the right secret: what lies behind the signature is reached."""

    def run(body: bytes) -> object:
        stamp = int(NOW.timestamp())
        try:
            signed = f"{stamp}.{body.decode()}"
        except UnicodeDecodeError:
            signed = ""
        made = stripe.WebhookSignature._compute_signature(signed, SECRET)
        return verified_event(body, f"t={stamp},v1={made}", secrets=[SECRET], at=NOW)

    return run


def read_stripe_header() -> Runs:
    return lambda data: verified_event(b"{}", text(data), secrets=[SECRET], at=NOW)


def read_scanner_signature() -> Runs:
    from cryptography.hazmat.primitives.asymmetric import ec

    keys = {"k": ec.generate_private_key(ec.SECP256R1()).public_key()}
    return lambda data: is_signed(b"[]", identifier="k", signature=text(data), keys=keys)


def read_headers() -> Runs:
    class Artifact:
        sha256, created_at = "a" * 64, NOW

    factory = RequestFactory()

    def run(data: bytes) -> None:
        value = text(data).replace("\r", "").replace("\n", "")
        names = ("Range", "If-Range", "Prefer", "Idempotency-Key", "X-Stainless-Retry-Count")
        request: Any = factory.get("/", headers=dict.fromkeys(names, value))
        is_for_another(request, Artifact())  # type: ignore[arg-type]
        preferred_wait(request)
        repetition_of(request)
        found = range_of(request, 1000)
        assert found is None or 0 <= found[0] <= found[1] < 1000, found

    return run


def read_retry_after() -> Runs:
    return lambda data: _wish(text(data))


def read_image_address() -> Runs:
    return lambda data: artifact_behind(text(data))


def read_cursor() -> Runs:
    def run(data: bytes) -> None:
        for parse in (generation_cursor, webhook_cursor, cursor_of):
            try:
                parse(data.decode(errors="replace"))
            except (InvalidRequest, NotFound):
                continue

    return run


def read_key() -> Runs:
    def run(data: bytes) -> None:
        words = data.decode(errors="surrogateescape")
        is_well_formed(words)
        network_list(words.splitlines())

    return run


def call_webhook() -> Runs:
    """No address, however it is written, leads into our own network (SSRF)."""

    def lookup(host: str, *_args: object, **_more: object) -> list[tuple[Any, ...]]:
        try:
            return [(0, 0, 0, "", (str(ip_address(host)), 443))]
        except ValueError:
            return [(0, 0, 0, "", ("93.184.216.34", 443))]

    def run(data: bytes) -> None:
        target = parsed_target(data.decode(errors="surrogateescape"))
        address = address_to_call(target, opened=[], lookup=lookup)
        assert is_public(address), address
        assert target.scheme == "https", target
        assert not set(target.path + target.host) & set("\r\n \0"), target

    return run


def read_note() -> Runs:
    signer = notes.NoteSigner("example.org/audit", "fuzz")

    def run(data: bytes) -> None:
        words = data.decode(errors="replace")
        try:
            notes.verified_text(words, signer.verifier_key)
        except notes.NoteInvalid:
            notes.parsed_checkpoint(words)

    return run


def read_note_key() -> Runs:
    note = notes.NoteSigner("a", "b").sign("text\n")
    return lambda data: notes.verified_text(note, data.decode(errors="replace"))


def normalise_prompt() -> Runs:
    from moderation.classifiers.text.words import Words

    words = Words(dict.fromkeys(("red", "car", "nude", "women", "kill"), 1.0))

    def run(data: bytes) -> None:
        prompt = data.decode(errors="surrogateescape")
        views = views_of(prompt, words)
        assert 1 <= len(views) <= 4, views
        for_language(prompt)

    return run


def ask(parse: Any) -> Any:
    return lambda: lambda data: parse(text(data))


EVENT = json.dumps(
    {"id": "evt_1", "type": "charge.refunded", "created": 1761998400, "api_version": None,
     "data": {"object": {"id": "ch_1", "object": "charge"}}}
).encode()  # fmt: skip
BODIES = [
    json.dumps({"prompt": "a red circle", "n": 1, "size": "64x64", "seed": 1}).encode(),
    json.dumps([{"token": "lct_live_x", "type": "licet_api_key", "url": "https://a"}]).encode(),
]
URLS = [b"https://example.com/hook?a=1", b"https://[::ffff:127.0.0.1]/", b"https://10.0.0.1:8443/"]
PROMPTS = [b"a red car", b"r e d  c a r, n.u.d.e, k!ll", "\uff52\uff45\uff44 \u0441ar".encode()]
TARGETS = (
    Target(
        "json-body",
        parse_json,
        lambda: BODIES,
        (ParseError, BodyTooDeep, BodyTooLarge),
        form="json",
    ),
    Target("stripe-event", read_stripe_event, lambda: [EVENT], (SignatureRejected,), form="json"),
    Target(
        "stripe-header", read_stripe_header, lambda: [b"t=1761998400,v1=00"], (SignatureRejected,)
    ),
    Target("scanner-signature", read_scanner_signature, lambda: [b"MEUCIQ==", b"AAAA"]),
    Target(
        "request-headers",
        read_headers,
        lambda: [b"bytes=0-99", b"wait=5", b"bytes=-5", b"3", b'"etag"'],
        (RangeNotSatisfiable,),
    ),
    Target("retry-after", read_retry_after, lambda: [b"120", b"Wed, 21 Oct 2015 07:28:00 GMT"]),
    Target(
        "image-address",
        read_image_address,
        lambda: [b"a" * 64 + b":1rXxXx:" + b"b" * 43],
        (AddressInvalid,),
    ),
    Target("cursor", read_cursor, lambda: [b"019a3f00-0000-7000-8000-000000000000"]),
    Target("page-size", ask(page_size), lambda: [b"20", b"100"], (InvalidRequest,)),
    Target(
        "api-key",
        read_key,
        lambda: [generate_key("live").encode(), b"203.0.113.0/24\n2001:db8::/32"],
        (InvalidRequest,),
    ),
    Target(
        "picture-text",
        ask(lambda value: picture_in(value, "image")),
        lambda: [b"data:image/png;base64,iVBORw0KGgo=", b"iVBORw0KGgo="],
        (InvalidRequest,),
    ),
    Target("webhook-address", call_webhook, lambda: URLS, (WebhookAddressRefused,)),
    Target(
        "note",
        read_note,
        lambda: [
            notes.NoteSigner("example.org/audit", "fuzz")
            .sign("a\n1\nAAAA\ntime 2026-01-01T00:00:00Z\n")
            .encode()
        ],
        (notes.NoteInvalid,),
    ),
    Target(
        "verifier-key",
        read_note_key,
        lambda: [notes.NoteSigner("a", "b").verifier_key.encode()],
        (notes.NoteInvalid,),
    ),
    Target("prompt-normaliser", normalise_prompt, lambda: PROMPTS, short=200),
)
