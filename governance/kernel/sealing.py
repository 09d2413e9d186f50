"""Secrets that we must be able to read again, such as those that sign webhooks: sealed at rest."""

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Unsealable(Exception):
    """Sealed under a key that is not configured any more."""


def seal(text: str, *, keys: Sequence[str], purpose: str) -> str:
    """``text`` under the first key, bound to ``purpose``."""
    return _box(keys, purpose).encrypt(text.encode()).decode()


def unseal(token: str, *, keys: Sequence[str], purpose: str) -> str:
    """The text again, by whichever of the keys sealed it. Raises Unsealable."""
    try:
        return _box(keys, purpose).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise Unsealable(f"a secret for {purpose} was sealed under another key") from error


def _box(keys: Sequence[str], purpose: str) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key, purpose)) for key in keys])


def _derived(key: str, purpose: str) -> bytes:
    derive = HKDF(SHA256(), length=32, salt=None, info=f"licet {purpose}".encode())
    return base64.urlsafe_b64encode(derive.derive(key.encode()))
