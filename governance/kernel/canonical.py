"""One byte string per value: canonical JSON and its SHA-256, for fingerprints and hash chains."""

import hashlib
import json
from decimal import Decimal
from typing import Any


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces (RFC 8785 for the values we hash: no floats).

    Raises TypeError for a value that JSON does not know, ValueError for NaN or infinity.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256_hex(data: bytes) -> str:
    """SHA-256 as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def fingerprint(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``."""
    return sha256_hex(canonical_json(value))


def rfc8785(value: Any) -> bytes:
    """JSON Canonicalization Scheme: numbers as ECMAScript writes them, names in UTF-16 order.

    Raises TypeError for a value that JSON does not know, ValueError for NaN or infinity.
    """
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        pairs = (canonical_json(name) + b":" + rfc8785(value[name]) for name in names)
        return b"{" + b",".join(pairs) + b"}"
    if isinstance(value, list | tuple):
        return b"[" + b",".join(map(rfc8785, value)) + b"]"
    return _ecmascript(value).encode() if isinstance(value, float) else canonical_json(value)


def _ecmascript(number: float) -> str:
    """ECMA-262, Number::toString. Python's repr has the same shortest digits, in another layout."""
    if number != number or number in {float("inf"), float("-inf")}:
        raise ValueError("JSON has no number that is not finite")
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text, point = "".join(map(str, digits)), len(digits) + exponent
    minus = "-" if sign else ""
    if len(text) <= point <= 21:
        return minus + text + "0" * (point - len(text))
    if 0 < point <= 21:
        return f"{minus}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    mantissa = text[0] + (f".{text[1:]}" if len(text) > 1 else "")
    return f"{minus}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
