"""Expanding a prompt without a model: what it leaves open is added, what it says stays as it is.

Deterministic, in pure Python, so that it runs in the web process. Every word of the prompt is kept, in
its place; only aspects that the prompt does not name get a few words.
"""

import hashlib
import re
from dataclasses import dataclass

WORD = re.compile(r"\w+")
ENDS_A_SENTENCE = (".", "!", "?", ":", ";", ",")
MOST_ADDED_CHARACTERS = 600


@dataclass(frozen=True)
class Aspect:
    """Something a picture has: the words that say the prompt names it, and what may be added."""

    named_by: frozenset[str]
    offers: tuple[str, ...]


LIGHT = """
light lighting lit sunlight sunlit moonlight daylight dusk dawn night sunset sunrise neon candle
candlelight shadow shadows dark bright backlit golden noon evening
"""
PLACE = """
close closeup portrait wide view background foreground centre center centred centered left right above
below top bottom corner angle panorama aerial macro pattern
"""
MAKING = """
photo photograph photography painting watercolor watercolour oil drawing sketch render illustration
cartoon anime pixel vector flat minimal poster engraving sculpture style film analogue abstract icon logo
"""
ASPECTS = (
    Aspect(
        frozenset(LIGHT.split()),
        ("soft even light", "clear daylight", "gentle light from the side", "warm low light"),
    ),
    Aspect(
        frozenset(PLACE.split()),
        (
            "the subject clearly in view",
            "a calm composition with room around the subject",
            "balanced composition",
        ),
    ),
    Aspect(
        frozenset(MAKING.split()),
        ("clean detailed rendering", "fine detail and natural texture", "crisp clear shapes"),
    ),
)


def expanded(prompt: str) -> str:
    """``prompt`` with a few words for each aspect that it leaves open; the same for the same prompt."""
    words = {word.lower() for word in WORD.findall(prompt)}
    digest = hashlib.sha256(prompt.encode()).digest()
    added = [
        aspect.offers[digest[number] % len(aspect.offers)]
        for number, aspect in enumerate(ASPECTS)
        if not words & aspect.named_by
    ]
    return joined(prompt, ", ".join(added))


def joined(prompt: str, addition: str) -> str:
    """``prompt`` as it is, then ``addition`` on one line; the prompt alone where nothing is added."""
    addition = " ".join(addition.split())[:MOST_ADDED_CHARACTERS].strip(" \"',;")
    if not addition:
        return prompt
    kept = prompt.rstrip()
    return f"{kept}{' ' if kept.endswith(ENDS_A_SENTENCE) else ', '}{addition}"
