"""A model folder's ``licet.json``: its name, steps, guidance and sizes in px. No torch in here."""

import json
from pathlib import Path
from typing import Any


def read_card(source: str) -> dict[str, Any]:
    """The card of a model folder; empty where there is none (a repository id, real weights)."""
    file = Path(source) / "licet.json"
    card: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return card


def model_slug(source: str) -> str:
    """The release's name in the API: from the card, else the folder's, repository's or file's name."""
    return str(
        read_card(source).get("name", Path(source.removesuffix(".safetensors")).name)
    ).lower()
