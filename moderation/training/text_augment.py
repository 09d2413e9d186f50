"""Augmentation rows from templates: policy items with few labelled rows, contrasts, prompt styles.

Templates lie in `templates.json` in ROT13. Names of people are invented. Rows are drawn with a fixed
seed; a family's rows share one source, `template`, and are never used for held-out figures.
"""

import codecs
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from moderation.training.text_rows import Row

TEMPLATES = Path(__file__).with_name("templates.json")
SOURCE = "template"
_SLOT = re.compile(r"\{(\w+)\}")
_PIECE = re.compile(r"\{\w+\}|[^{}]+")


def _plain(text: str) -> str:
    return _PIECE.sub(
        lambda piece: (
            piece.group()
            if piece.group().startswith("{")
            else codecs.decode(piece.group(), "rot13")
        ),
        text,
    )


def _decode(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _decode(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_decode(value) for value in node]
    return _plain(node)


def _fill(pattern: str, slots: dict[str, list[str]], rng: random.Random) -> str:
    for _ in range(3):
        pattern = _SLOT.sub(lambda slot: rng.choice(slots[slot.group(1)]), pattern)
    pattern = re.sub(r"\s+", " ", pattern).strip(" ,")
    return re.sub(r" ,", ",", pattern)


def template_rows(per_family: int, seed: int = 0) -> list[Row]:
    """At most `per_family` distinct rows a family, three times as many for the safe ones."""
    raw = json.loads(TEMPLATES.read_text(encoding="utf-8"))
    shared: dict[str, list[str]] = _decode(raw["slots"])
    rng = random.Random(seed)  # noqa: S311
    rows = []
    for name, family in raw["families"].items():
        slots = {**shared, **_decode(family["slots"])}
        patterns = [_plain(pattern) for pattern in family["patterns"]]
        wanted = per_family * (1 if family["unsafe"] else 3)
        texts = {_fill(rng.choice(patterns), slots, rng) for _ in range(wanted)}
        rows += [
            Row(
                text=text,
                unsafe=family["unsafe"],
                source=SOURCE,
                category=name,
                items=frozenset(family["items"]),
            )
            for text in sorted(texts)
        ]
    return rows


def with_style(rows: Sequence[Row], share: float, seed: int = 0) -> list[Row]:
    """Copies of a share of `rows` with a lead and style tags, whatever their label."""
    raw = json.loads(TEMPLATES.read_text(encoding="utf-8"))
    slots: dict[str, list[str]] = _decode(raw["slots"])
    rng = random.Random(seed)  # noqa: S311
    chosen = [row for row in rows if rng.random() < share]
    return [
        Row(
            text=_fill(f"{{lead}}{row.text.rstrip('.')}, {{style}}", slots, rng)
            if "{" not in row.text
            else row.text,
            unsafe=row.unsafe,
            source=row.source,
            category=row.category,
            items=row.items,
        )
        for row in chosen
    ]
