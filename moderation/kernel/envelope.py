"""Envelope encryption: AES-256-GCM, a key for each piece of evidence, wrapped under another key."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
KEY_BITS = 256


class Erased(Exception):
    """The key is gone: nobody can read this any more."""


def root_key(secret: bytes) -> bytes:
    """The operator's wrapping key, derived from a secret of the environment (HKDF-SHA256)."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=b"licet evidence vault 1").derive(secret)


def new_key() -> bytes:
    """A fresh random AES-256 key."""
    return AESGCM.generate_key(KEY_BITS)


def seal(plain: bytes, *, key: bytes, about: bytes) -> bytes:
    """Nonce and ciphertext of ``plain``, bound to ``about``."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, about)


def unseal(sealed: bytes, *, key: bytes, about: bytes) -> bytes:
    """What ``seal`` was given. Raises Erased when it was erased, changed, or sealed otherwise."""
    if len(sealed) <= NONCE_BYTES:
        raise Erased("the key was destroyed")
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about)
    except InvalidTag as failure:
        raise Erased("the evidence cannot be read with this key") from failure
