"""Receipts: canonical JSON with an HMAC-SHA256, so that another process can trust a verdict."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from governance.kernel.canonical import canonical_json
from governance.kernel.errors import DomainError

SIGNATURE = "signature"


class ReceiptInvalid(DomainError):
    """The receipt was not made by this gate for exactly this subject; nothing is delivered."""

    code = "receipt_invalid"
    title = "The gate's receipt does not fit"
    status = 500


def sign(facts: Mapping[str, Any], *, key: bytes) -> dict[str, Any]:
    """``facts`` with their signature. Values must be what JSON keeps exactly: no floats."""
    return {**facts, SIGNATURE: _mac(facts, key)}


def verify(receipt: object, *, key: bytes, expected: Mapping[str, Any]) -> None:
    """Raises ReceiptInvalid unless the signature holds and each of ``expected`` stands in it."""
    if not isinstance(receipt, Mapping) or not isinstance(receipt.get(SIGNATURE), str):
        raise ReceiptInvalid("There is no receipt of the gate for this.")
    facts = {name: value for name, value in receipt.items() if name != SIGNATURE}
    try:
        genuine = hmac.compare_digest(_mac(facts, key), receipt[SIGNATURE])
    except (TypeError, ValueError):
        genuine = False
    if not genuine:
        raise ReceiptInvalid("The receipt was not signed by this gate, or was changed since.")
    for name, value in expected.items():
        if facts.get(name) != value:
            raise ReceiptInvalid(f"The receipt is for another {name.replace('_', ' ')}.", fact=name)


def _mac(facts: Mapping[str, Any], key: bytes) -> str:
    return hmac.new(key, canonical_json(dict(facts)), hashlib.sha256).hexdigest()
