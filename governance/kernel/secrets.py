"""API key secrets: typed prefix, 30 base62 characters, CRC32 checksum in 6 more.

The shape lets a scanner recognise a leaked key without calling home, and lets us refuse a mistyped
one without a query.
"""

import hashlib
import hmac
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Literal

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
Mode = Literal["live", "test"]


def base62(number: int, width: int) -> str:
    """``number`` in base 62, padded with zeros on the left to ``width``."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits.rjust(width, ALPHABET[0])


def checksum(body: str) -> str:
    """CRC32 of the prefix and the random part, as 6 base62 characters."""
    return base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def generate_key(mode: Mode) -> str:
    """A new key: ``lct_live_`` or ``lct_test_``, 178 random bits, checksum."""
    body = f"lct_{mode}_" + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)


def is_well_formed(key: str) -> bool:
    """Whether ``key`` has a known prefix, the right length and a checksum that fits."""
    if not key.isascii() or not key.startswith(("lct_live_", "lct_test_")):
        return False
    body, tail = key[:-CHECKSUM_LENGTH], key[-CHECKSUM_LENGTH:]
    return len(body) == len("lct_live_") + RANDOM_LENGTH and hmac.compare_digest(
        checksum(body).encode(), tail.encode("utf-8", "replace")
    )


def peppered_digest(key: str, *, pepper: str) -> str:
    """HMAC-SHA256 of the key under the pepper: a stolen table without the pepper is no use."""
    return hmac.new(pepper.encode(), key.encode(), hashlib.sha256).hexdigest()


def pepper_mark(pepper: str) -> str:
    """A short name of a pepper that tells nothing about it: which rows still need the old one."""
    return hmac.new(pepper.encode(), b"licet pepper", hashlib.sha256).hexdigest()[:8]


def secret_mark(name: str, value: str) -> str:
    """By which a restore sees whether the secret ``name`` is the same; it does not follow from it."""
    return hashlib.sha256(f"licet backup {name} {value}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Peppers:
    """The pepper in use and the older ones that may still be met, newest first."""

    current: str
    older: tuple[str, ...] = ()

    def digest(self, key: str) -> str:
        """The digest under the pepper in use."""
        return peppered_digest(key, pepper=self.current)

    def digests(self, key: str) -> list[str]:
        """The digests by which a row of this key may be found; the first is the one to keep."""
        return [peppered_digest(key, pepper=pepper) for pepper in (self.current, *self.older)]

    @property
    def mark(self) -> str:
        """The mark of the pepper in use."""
        return pepper_mark(self.current)
