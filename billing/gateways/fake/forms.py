"""Stripe's request format: ``metadata[top_up]=...&line_items[0][quantity]=1`` to nested dicts."""

from typing import Any
from urllib.parse import parse_qsl


def decode(text: str) -> dict[str, Any]:
    """A form or a query string as nested dicts; numbered keys become lists."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        path = name.replace("]", "").split("[")
        place = tree
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    return {key: listed(value) for key, value in tree.items()}


def listed(value: Any) -> Any:
    """Dicts whose keys are numbers, as lists."""
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() or not key for key in value):
        return [listed(value[key]) for key in sorted(value)]
    return {key: listed(inner) for key, inner in value.items()}
