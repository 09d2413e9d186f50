"""Rules that hold whatever the scores are: word sets that must not meet, with context exceptions.

The rules and word sets are data (`lexicon.json`, versioned, part of the weights' hash). A rule fires
when every set of `all` occurs in one window of a view and no set of `unless` does. `name` is a
computed set: a common first name followed by another name.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from moderation.classifiers.text.scores import ITEMS, Outcome

NAME_SET, NEUTRAL_SET = "name", "neutral"
#: Letters of the shortest surname that is looked for.
SURNAME = 3
_NOT_SURNAMES = frozenset(
    [
        "and",
        "or",
        "the",
        "a",
        "an",
        "is",
        "was",
        "with",
        "in",
        "on",
        "at",
        "as",
        "who",
        "that",
        "to",
        "from",
        "of",
        "nude",
        "naked",
        "topless",
        "has",
        "her",
        "his",
        "wearing",
        "standing",
        "sitting",
        "taking",
        "having",
        "posing",
        "looking",
    ]
)


class LexiconUnusable(Exception):
    """The lexicon is malformed, or a rule names a set, item or outcome that does not exist."""

    code = "lexicon_unusable"


@dataclass(frozen=True)
class Rule:
    """`outcome` for `item` when all of `all` and none of `unless` occur; `reason` is for people."""

    id: str
    item: str
    outcome: Outcome
    all: tuple[str, ...]
    unless: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Finding:
    """A rule that fired."""

    rule: str
    item: str
    outcome: Outcome
    reason: str


def _unpack(packed: object) -> str:
    try:
        return base64.b64decode(str(packed), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise LexiconUnusable("a word set cannot be decoded") from error


def _pattern(body: str) -> re.Pattern[str]:
    try:
        return re.compile(rf"(?<![a-z0-9])(?:{body})(?![a-z0-9])")
    except re.error as error:
        raise LexiconUnusable("a word set is no regular expression") from error


class Lexicon:
    """Compiled word sets and rules. Raises LexiconUnusable."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        try:
            self.version = str(raw["version"])
            self._sets = {name: _pattern(_unpack(body)) for name, body in raw["sets"].items()}
            self._first_names = frozenset(_unpack(raw["first_names"]).split())
            self.rules = tuple(
                Rule(
                    id=rule["id"],
                    item=rule["item"],
                    outcome=rule["outcome"],
                    all=tuple(rule["all"]),
                    unless=tuple(rule["unless"]),
                    reason=rule["reason"],
                )
                for rule in raw["rules"]
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise LexiconUnusable("the lexicon lacks a part") from error
        self._check()

    def _check(self) -> None:
        known = {*self._sets, NAME_SET}
        for rule in self.rules:
            named = {*rule.all, *rule.unless}
            if rule.item not in ITEMS or rule.outcome not in {"review", "block"}:
                raise LexiconUnusable(f"rule {rule.id} has an unknown item or outcome")
            if not rule.all or not named <= known:
                raise LexiconUnusable(f"rule {rule.id} names an unknown word set")

    def findings(self, window: str) -> list[Finding]:
        """Rules that fire on one window of a view (lower case)."""
        text = self._sets[NEUTRAL_SET].sub(" ", window) if NEUTRAL_SET in self._sets else window
        present = _Present(text, self._sets, self._first_names)
        return [
            Finding(rule.id, rule.item, rule.outcome, rule.reason)
            for rule in self.rules
            if all(name in present for name in rule.all)
            and not any(name in present for name in rule.unless)
        ]


class _Present:
    """Which sets occur in a text, looked up once each and only when asked."""

    def __init__(
        self, text: str, sets: Mapping[str, re.Pattern[str]], first_names: frozenset[str]
    ) -> None:
        self._text = text
        self._sets = sets
        self._first_names = first_names
        self._known: dict[str, bool] = {}

    def __contains__(self, name: str) -> bool:
        if name not in self._known:
            found = self._named if name == NAME_SET else self._sets[name].search(self._text)
            self._known[name] = bool(found)
        return self._known[name]

    @cached_property
    def _named(self) -> bool:
        words = re.findall(r"[a-z']+", self._text)
        return any(
            first in self._first_names and len(second) >= SURNAME and second not in _NOT_SURNAMES
            for first, second in pairwise(words)
        )
