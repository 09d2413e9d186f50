"""One byte string per value: canonical JSON and its SHA-256, for fingerprints and hash chains."""

import hashlib
import json
import math
from decimal import Decimal
from typing import Any

# Where ECMAScript turns from digits to an exponent.
MOST_DIGITS, FEWEST_DIGITS = 21, -6


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
    if _same_either_way(value):
        return canonical_json(value)
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        pairs = (canonical_json(name) + b":" + rfc8785(value[name]) for name in names)
        return b"{" + b",".join(pairs) + b"}"
    if isinstance(value, list | tuple):
        return b"[" + b",".join(map(rfc8785, value)) + b"]"
    return _ecmascript(value).encode() if isinstance(value, float) else canonical_json(value)


def _same_either_way(value: Any) -> bool:
    """Whether the fast encoder writes ``value`` as the standard asks: no floats, ASCII names."""
    if isinstance(value, dict):
        return all(name.isascii() and _same_either_way(each) for name, each in value.items())
    if isinstance(value, list | tuple):
        return all(map(_same_either_way, value))
    return not isinstance(value, float)


def _ecmascript(number: float) -> str:
    """ECMA-262, Number::toString. Python's repr has the same shortest digits, in another layout."""
    if not math.isfinite(number):
        raise ValueError("JSON has no number that is not finite")
    if number == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text, point = "".join(map(str, digits)), len(digits) + exponent
    minus = "-" if sign else ""
    if len(text) <= point <= MOST_DIGITS:
        return minus + text + "0" * (point - len(text))
    if 0 < point <= MOST_DIGITS:
        return f"{minus}{text[:point]}.{text[point:]}"
    if FEWEST_DIGITS < point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    mantissa = text[0] + (f".{text[1:]}" if len(text) > 1 else "")
    return f"{minus}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
