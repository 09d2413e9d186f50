"""Webhook signatures: over the raw bytes, by any of the secrets in force, close to now on both sides."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe

PAST = timedelta(minutes=5)
# The SDK bounds the past only; a signature from the future is a clock or a thief.
FUTURE = timedelta(minutes=1)
LARGEST_TIME = 2**37
LONGEST_TIME = 12


class SignatureRejected(Exception):
    """The bytes are not from whom they claim, or not from now."""


@dataclass(frozen=True)
class Event:
    """A verified event: only what it is about is believed; the object itself is fetched again."""

    id: str
    type: str
    created_at: datetime
    api_version: str
    object_id: str
    object_kind: str
    payload: dict[str, Any]


def verified_event(body: bytes, header: str, *, secrets: list[str], at: datetime) -> Event:
    """Check signature and time, then read the event. Raises SignatureRejected."""
    if not any(is_signed_by(body, header, secret) for secret in secrets):
        raise SignatureRejected("no configured secret made this signature")
    age = at - signed_at(header)
    if age > PAST:
        raise SignatureRejected(f"the signature is {age.total_seconds():.0f} s old")
    if -age > FUTURE:
        raise SignatureRejected(f"the signature is {-age.total_seconds():.0f} s in the future")
    return read_event(body)


def is_signed_by(body: bytes, header: str, secret: str) -> bool:
    """The SDK's own check, in constant time, without its one-sided time bound."""
    # Strings beyond ASCII cannot be compared in constant time, and no signature has any.
    if not header.isascii():
        return False
    try:
        # Untyped in the SDK.
        return bool(stripe.WebhookSignature.verify_header(body, header, secret, None))
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False


def signed_at(header: str) -> datetime:
    """The time that the signature covers. Raises SignatureRejected."""
    stamps = [part[2:] for part in header.split(",") if part.startswith("t=")]
    if not stamps or not is_time(stamps[0]):
        raise SignatureRejected("the signature has no time")
    return datetime.fromtimestamp(int(stamps[0]), UTC)


def is_time(text: str) -> bool:
    """Whether ``text`` is seconds since 1970 that a calendar has."""
    return text.isdecimal() and len(text) <= LONGEST_TIME and int(text) <= LARGEST_TIME


def read_event(body: bytes) -> Event:
    """The parts of an event that we use. Raises SignatureRejected for what is no event."""
    try:
        data = json.loads(body)
        about = data["data"]["object"]
        return Event(
            id=str(data["id"]),
            type=str(data["type"]),
            created_at=datetime.fromtimestamp(int(data["created"]), UTC),
            api_version=str(data.get("api_version") or ""),
            object_id=str(about.get("id") or ""),
            object_kind=str(about.get("object") or ""),
            payload=data,
        )
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        OSError,
    ) as error:
        raise SignatureRejected("the body is no event") from error
