"""Signatures of secret scanners: ECDSA over the raw body, as GitHub's partner programme signs."""

import base64
import binascii
import json
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def scanner_keys(document: str) -> dict[str, ec.EllipticCurvePublicKey]:
    """The public keys by their identifier.

    ``document`` is JSON like https://api.github.com/meta/public_keys/secret_scanning:
    ``{"public_keys": [{"key_identifier": ..., "key": PEM}]}``. Raises ValueError.
    """
    keys: dict[str, ec.EllipticCurvePublicKey] = {}
    for entry in json.loads(document)["public_keys"]:
        key = load_pem_public_key(entry["key"].encode())
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError(f"{entry['key_identifier']} is no elliptic-curve key")  # noqa: TRY004
        keys[entry["key_identifier"]] = key
    return keys


def is_signed(
    body: bytes,
    *,
    identifier: str,
    signature: str,
    keys: Mapping[str, ec.EllipticCurvePublicKey],
) -> bool:
    """Whether ``signature`` (base64 of DER) is that key's ECDSA-SHA256 over ``body``."""
    key = keys.get(identifier)
    if key is None:
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), body, ec.ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
