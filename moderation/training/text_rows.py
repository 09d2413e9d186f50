"""Labelled rows for the text gate: reading, policy items per source category, leak-free groups.

The data is not part of the repository (it holds harmful text). It is read from `LICET_EVALSETS` or
`../shared/data/moderation`, and no row is ever printed.
"""

# ruff: noqa: PLR2004 - shares of the split and lengths are said beside them

import gzip
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ITEMS = ("1", "2", "3", "4", "5", "6", "7", "8")
ORDINARY = frozenset({"partiprompts", "dpg", "coco", "geneval"})

#: Source category -> policy items. A category may fall under several items.
OVERT_ITEMS = {
    "copyright_violations": ("4",),
    "discrimination": ("7",),
    "illegal_activities": ("7",),
    "privacy_individual": ("4", "7"),  # forged or leaked private papers of a named person
    "privacy_public": ("7",),  # leaked staff and infrastructure data
    "self_harm": ("7",),
    "sexual_content": ("7",),
    "unethical": ("7",),
    "unethical_unsafe_action": ("7",),
}

MINOR = re.compile(
    r"\b(child(ren)?|kids?|minors?|teen(s|age|aged|ager|agers)?|preteens?|toddlers?|underage|"
    r"school ?(girl|boy)s?|pupils?|adolescents?|middle school|high school|juvenile)\b"
)
ELECTION = re.compile(
    r"\b(election|elections|ballots?|voters?|voting|votes?|polling|candidates?)\b"
)
SURVEIL = re.compile(
    r"\b(surveil\w*|track(s|ed|ing)?|monitor(s|ed|ing)?|facial recognition|cctv)\b"
)
IDENTITY = re.compile(r"\b(passports?|licen[cs]e|identity|identification|id cards?|credentials?)\b")


@dataclass(frozen=True)
class Row:
    """One labelled text. `group` keeps near-duplicates and twins on one side of a split."""

    text: str
    unsafe: bool
    source: str
    category: str
    items: frozenset[str]
    twin: str = ""
    id: str = ""


#: OVERT names the safe and the unsafe half of one category differently.
TOGETHER = {"unethical": "unethical_unsafe_action", "unethical_unsafe_action": "unethical"}


def subject_of(row: Row) -> str:
    """What an OVERT row is about, the same for its safe and its unsafe rows; another row's source."""
    if row.source != "overt":
        return row.source
    return "unethical" if row.category in TOGETHER else row.category


def items_of(source: str, category: str, text: str) -> frozenset[str]:
    """Policy items of an unsafe row, from its source's category and a few plain key words."""
    low = text.lower()
    if source == "openai-moderation":
        found = {"7"} | ({"1"} if "S3" in category.split(",") else set())
        return frozenset(found)
    if source != "overt":
        return frozenset({"7"})
    found = set(OVERT_ITEMS[category])
    if category == "sexual_content" and MINOR.search(low):
        found.add("1")
    if category in {"unethical", "unethical_unsafe_action"} and ELECTION.search(low):
        found.add("3")
    if category == "privacy_individual" and IDENTITY.search(low):
        found.add("3")
    if category.startswith("privacy") and SURVEIL.search(low):
        found.add("6")
    return frozenset(found)


def read_rows(folder: Path) -> list[Row]:
    """Rows of `prompts-dev.jsonl.gz` in `folder`. Raises FileNotFoundError when it is absent."""
    rows = []
    with gzip.open(folder / "prompts-dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            raw = json.loads(line)
            unsafe = raw["label"] == "unsafe"
            items = items_of(raw["source"], raw["category"], raw["text"]) if unsafe else frozenset()
            rows.append(
                Row(
                    text=raw["text"],
                    unsafe=unsafe,
                    source=raw["source"],
                    category=raw["category"],
                    items=items,
                    twin=raw.get("twin") or "",
                    id=raw["id"],
                )
            )
    return rows


class _Sets:
    """Disjoint sets over row numbers."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def find(self, node: int) -> int:
        while self.parent[node] != node:
            self.parent[node] = self.parent[self.parent[node]]
            node = self.parent[node]
        return node

    def join(self, left: int, right: int) -> None:
        self.parent[self.find(left)] = self.find(right)


#: Who a HateCheck template is about; masked, so that all fillings of one template stay together.
TARGETS = re.compile(
    r"\b(women|woman|trans|gays?|blacks?|disabled|muslims?|immigrants?|people|person|"
    r"\w*(bitch|trann|fag|nigg|retard|refugee|niglet)\w*)\b"
)
COMMON = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "and",
        "or",
        "with",
        "for",
        "is",
        "are",
        "i",
        "my",
        "you",
        "all",
        "who",
        "that",
        "this",
        "their",
        "his",
        "her",
        "it",
        "as",
        "by",
        "from",
    ]
)


def _words(row: Row) -> frozenset[str]:
    low = row.text.lower()
    if row.source == "hatecheck":
        low = TARGETS.sub("X", low)
    return frozenset(word for word in re.findall(r"\w+", low) if word not in COMMON)


def _exact_keys(row: Row) -> Iterable[tuple[str, str]]:
    yield row.source, row.text.strip().lower()
    if row.twin:
        yield row.source, row.twin.strip().lower()


def group_rows(rows: Sequence[Row], similar: float = 0.6) -> list[int]:
    """Group number per row: same text, same seed prompt (twin), or word overlap >= `similar`."""
    sets = _Sets(len(rows))
    seen: dict[tuple[str, str], int] = {}
    words = [_words(row) for row in rows]
    frequency = Counter(word for bag in words for word in bag)
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for number, (row, bag) in enumerate(zip(rows, words, strict=True)):
        for key in _exact_keys(row):
            sets.join(number, seen.setdefault(key, number))
        shared: Counter[int] = Counter()
        for word in bag:
            if frequency[word] < 1200 or len(bag) <= 4:
                shared.update(holders[word])
            holders[word].append(number)
        for other, count in shared.items():
            if count / len(bag | words[other]) >= similar:
                sets.join(number, other)
    return [sets.find(number) for number in range(len(rows))]


def split_rows(rows: Sequence[Row], groups: Sequence[int]) -> list[str]:
    """`train` (72 %), `calibrate` (10 %) or `held-out` (18 %) per row, the same for a whole group.

    The draw hashes the group's first text, so that it is stable when rows are added or reordered.
    """
    first: dict[int, str] = {}
    for row, group in zip(rows, groups, strict=True):
        first[group] = min(first.get(group, row.text), row.text)
    draws = {
        group: int(hashlib.sha256(f"split 1 {text}".encode()).hexdigest()[:8], 16) / 2**32
        for group, text in first.items()
    }
    return [
        "held-out" if draws[group] < 0.18 else "calibrate" if draws[group] < 0.28 else "train"
        for group in groups
    ]
