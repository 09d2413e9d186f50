"""Encodings a prompt may hide in: base64, hex, percent, HTML entities, escapes, binary, Morse.

Every function replaces what decodes to readable text in place and leaves the rest, so the words
around an encoded span stay beside it. Nothing here executes or imports what it reads.
"""

# ruff: noqa: RUF001 - Morse is written with look-alike dots and dashes

import base64
import binascii
import html
import re
from collections.abc import Callable
from urllib.parse import unquote

#: Letters a decoded span needs before it counts as text; the highest byte.
SHORTEST, BYTE = 4, 255

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{8,}={0,2}(?![A-Za-z0-9+/_=-])")
_BASE32 = re.compile(r"(?<![A-Z2-7=])[A-Z2-7]{16,}={0,6}(?![A-Z2-7=])")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?(?:[0-9A-Fa-f]{2}[ :,]?(?:0x)?){4,}(?![0-9A-Za-z])")
_ESCAPE = re.compile(r"(?:\\x([0-9A-Fa-f]{2}))|(?:\\u\{?([0-9A-Fa-f]{4})\}?)|(?:U\+([0-9A-F]{4}))")
_BINARY = re.compile(r"(?<![01])(?:[01]{8}[ ,]?){3,}(?![01])")
_DECIMAL = re.compile(r"(?<!\d)(?:(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6])[ ,]+){5,}\d{2,3}(?!\d)")
_MORSE = re.compile(r"(?<!\S)[.\-·−]{1,5}(?:[ /|]+[.\-·−]{1,5}){3,}(?!\S)")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2}){1,}")
_MORSE_CODES = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- "
    "...- .-- -..- -.-- --.."
)
_MORSE_LETTERS = {code: chr(97 + place) for place, code in enumerate(_MORSE_CODES.split())}


def _readable(raw: bytes) -> str | None:
    """`raw` as text when it is printable and mostly letters and spaces, else None."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if len(text) < SHORTEST or (
        not text.isprintable() and not text.replace("\n", " ").isprintable()
    ):
        return None
    plain = sum(1 for char in text if char.isalnum() or char in " ,.'-\n")
    return text if plain >= 0.85 * len(text) else None


def _from_base64(match: re.Match[str]) -> str:
    span = match.group()
    body = span.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return span
    return _readable(raw) or span


def _from_base32(match: re.Match[str]) -> str:
    body = match.group().rstrip("=")
    try:
        raw = base64.b32decode(body + "=" * (-len(body) % 8))
    except (binascii.Error, ValueError):
        return match.group()
    return _readable(raw) or match.group()


def _from_hex(match: re.Match[str]) -> str:
    digits = re.sub(r"0x|[^0-9A-Fa-f]", "", match.group())
    if len(digits) % 2:
        return match.group()
    return _readable(bytes.fromhex(digits)) or match.group()


def _from_escape(match: re.Match[str]) -> str:
    char = chr(int(next(group for group in match.groups() if group), 16))
    return char if char.isprintable() else " "


def _from_binary(match: re.Match[str]) -> str:
    bits = re.sub(r"[^01]", "", match.group())
    raw = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return _readable(raw) or match.group()


def _from_decimal(match: re.Match[str]) -> str:
    codes = [int(number) for number in re.findall(r"\d+", match.group())]
    return _readable(bytes(codes)) or match.group() if max(codes) <= BYTE else match.group()


def _from_morse(match: re.Match[str]) -> str:
    codes = match.group().replace("·", ".").replace("−", "-")
    words = [part.split() for part in re.split(r"\s*[/|]\s*|\s{2,}", codes)]
    if any(code not in _MORSE_LETTERS for word in words for code in word):
        return match.group()
    return " ".join("".join(_MORSE_LETTERS[code] for code in word) for word in words)


def _percent(text: str) -> str:
    spans = _PERCENT.findall(text)
    if not spans:
        return text
    decoded = unquote(text, errors="replace")
    return text if "\ufffd" in decoded else decoded


_STEPS: tuple[Callable[[str], str], ...] = (
    html.unescape,
    _percent,
    lambda text: _ESCAPE.sub(_from_escape, text),
    lambda text: _BINARY.sub(_from_binary, text),
    lambda text: _DECIMAL.sub(_from_decimal, text),
    lambda text: _HEX.sub(_from_hex, text),
    lambda text: _BASE32.sub(_from_base32, text),
    lambda text: _BASE64.sub(_from_base64, text),
    lambda text: _MORSE.sub(_from_morse, text),
)


def decode_spans(text: str, rounds: int = 2) -> str:
    """`text` with encoded spans decoded, applied at most `rounds` times (base64 of percent, ...)."""
    for _ in range(rounds):
        before = text
        for step in _STEPS:
            text = step(text)
        if text == before:
            break
    return text
