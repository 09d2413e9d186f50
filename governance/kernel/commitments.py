"""Personal data behind salted commitments, so that it can be erased from a log that proves itself.

The log's leaves hold ``SHA-256(salt, value)``. Who has value and salt can check the leaf; when both are
erased, the leaf stays valid and tells nothing: 128 random bits cannot be guessed as an e-mail can.
"""

import hashlib
import os
import re
from typing import Any

SALT_BYTES = 16
# Facts that name a person, whatever their value looks like.
PERSONAL_FACTS = frozenset({"email", "signer", "approver", "person_name", "contact", "phone"})
EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
FACT_PREFIX = "facts."


def commitment(salt: str, value: str) -> str:
    """SHA-256 in hexadecimal over the salt's bytes and the value's UTF-8."""
    return hashlib.sha256(bytes.fromhex(salt) + value.encode()).hexdigest()


def new_salt() -> str:
    """128 random bits in hexadecimal."""
    return os.urandom(SALT_BYTES).hex()


def committed(values: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Salts and commitments of personal values, each with a salt of its own, by the same names."""
    salts = {name: new_salt() for name in values}
    return salts, {name: commitment(salts[name], value) for name, value in values.items()}


def split_facts(facts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Facts that may stand in the log for ever, and those that name a person (as text).

    A fact is personal by its name, or where any e-mail address stands in it.
    """
    personal = {name: str(value) for name, value in facts.items() if _is_personal(name, value)}
    return {name: value for name, value in facts.items() if name not in personal}, personal


def _is_personal(name: str, value: Any) -> bool:
    return bool(value) and (name in PERSONAL_FACTS or EMAIL.search(str(value)) is not None)
