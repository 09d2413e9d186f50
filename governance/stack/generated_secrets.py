"""Secrets that nobody gave: made once per LICET_HOME, kept for its owner's eyes only."""

import json
import secrets
from collections.abc import Collection

from governance.env import Env
from governance.stack.layout import Layout

NAMES = (
    "LICET_SECRET_KEY",
    "LICET_API_KEY_PEPPER",
    "LICET_RECEIPT_KEY",
    "LICET_AUDIT_KEY",
    "LICET_PROVENANCE_KEY",
)
BYTES = 48


def complete_secrets(layout: Layout, *, given: Collection[str]) -> dict[str, str]:
    """Generate and keep each secret that is neither ``given`` by the operator nor kept already.

    Returns the new ones. What is kept is never replaced: a lost pepper invalidates every API key.
    """
    kept = read_secrets(layout)
    fresh = {
        name: secrets.token_urlsafe(BYTES)
        for name in NAMES
        if name not in kept and name not in given
    }
    if fresh:
        draft = layout.secrets.with_suffix(".new")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(kept | fresh, indent=1))
        draft.replace(layout.secrets)
    return fresh


def read_secrets(layout: Layout) -> dict[str, str]:
    """The kept secrets; empty where none were generated."""
    try:
        return dict(json.loads(layout.secrets.read_text()))
    except FileNotFoundError:
        return {}


def given_secrets(env: Env) -> set[str]:
    """The names of the secrets that the environment, a .env file or an earlier start gave."""
    aliases = {name: str(field.validation_alias) for name, field in Env.model_fields.items()}
    return {aliases[name] for name in env.model_fields_set} & set(NAMES)
