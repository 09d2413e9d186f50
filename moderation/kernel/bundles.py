"""Policy bundles: which stages, classifiers and thresholds are required; addressed by their hash."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.kernel.canonical import fingerprint
from moderation.kernel.outcomes import Outcome

FORMAT = 1
MILLI = 1000
POLICIES = Path(__file__).resolve().parent.parent / "policies"
DEFAULT = POLICIES / "aup-2026-06-22.json"


class BundleInvalid(Exception):
    """The bundle cannot be understood or is not the one its hash names."""


@dataclass(frozen=True)
class Threshold:
    """From which score (0 to 1) a label is reviewed or blocked, and for which policy item."""

    item: str
    review: float
    block: float


@dataclass(frozen=True)
class Required:
    """One classifier that a stage cannot do without, pinned to its version and weights."""

    name: str
    version: str
    weights_sha256: str
    timeout_ms: int
    labels: tuple[str, ...]
    thresholds: Mapping[str, Threshold]
    items: tuple[str, ...]
    on_failure: Outcome


@dataclass(frozen=True)
class Item:
    """One item of the acceptable use policy, in our words, with its source."""

    key: str
    title: str
    reason: str
    appealable: bool


@dataclass(frozen=True)
class Bundle:
    """A whole policy. ``hash`` is the SHA-256 of its canonical JSON; ``document`` is that JSON."""

    version: str
    hash: str
    items: Mapping[str, Item]
    stages: Mapping[str, tuple[Required, ...]]
    document: Mapping[str, Any]

    def required(self, stage: str) -> tuple[Required, ...]:
        """The classifiers of ``stage``. Raises BundleInvalid where the policy has none: a stage
        without classifiers is a mistake, never a permission."""
        required = self.stages.get(stage, ())
        if not required:
            raise BundleInvalid(f"policy {self.version} requires no classifier at stage {stage!r}")
        return required

    def reason(self, item: str) -> str:
        """Why something was refused, in words for the person who asked."""
        known = self.items.get(item)
        return known.reason if known else "It could not be shown to be within the policy."


def parse(document: Mapping[str, Any]) -> Bundle:
    """The bundle that ``document`` describes. Raises BundleInvalid with the place of the mistake."""
    try:
        if document["format"] != FORMAT:
            raise BundleInvalid(f"format {document['format']!r} is not known here")
        items = {key: _item(key, value) for key, value in document["items"].items()}
        stages = {
            stage: tuple(_required(entry, items) for entry in value["classifiers"])
            for stage, value in document["stages"].items()
        }
        bundle = Bundle(str(document["version"]), fingerprint(document), items, stages, document)
    except (KeyError, TypeError, ValueError, AttributeError) as mistake:
        raise BundleInvalid(f"the policy bundle is malformed: {mistake!r}") from mistake
    for stage in ("input", "output"):
        bundle.required(stage)
    return bundle


def read(path: Path) -> Bundle:
    """The bundle in the file ``path``. Raises BundleInvalid when it is absent or malformed."""
    try:
        document = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as failure:
        raise BundleInvalid(f"the policy bundle {path.name} cannot be read: {failure}") from failure
    return parse(document)


def _item(key: str, value: Mapping[str, Any]) -> Item:
    return Item(key, value["title"], value["reason"], bool(value.get("appealable", True)))


def _required(entry: Mapping[str, Any], items: Mapping[str, Item]) -> Required:
    thresholds = {
        label: _threshold(value, items) for label, value in entry.get("thresholds", {}).items()
    }
    labels = tuple(entry["labels"])
    if unknown := set(thresholds) - set(labels) | set(entry["items"]) - set(items):
        raise BundleInvalid(f"{entry['name']} names {sorted(unknown)}, which the policy lacks")
    timeout_ms = int(entry["timeout_ms"])
    if timeout_ms <= 0 or not labels:
        raise BundleInvalid(f"{entry['name']} needs labels and a time limit above zero")
    return Required(
        name=entry["name"],
        version=entry["version"],
        weights_sha256=entry["weights_sha256"],
        timeout_ms=timeout_ms,
        labels=labels,
        thresholds=thresholds,
        items=tuple(entry["items"]),
        # Items 1 and 2 are blocked, all others held, when their classifier does not answer.
        on_failure=Outcome.BLOCK if {"1", "2"} & set(entry["items"]) else Outcome.REVIEW,
    )


def _threshold(value: Mapping[str, Any], items: Mapping[str, Item]) -> Threshold:
    review, block = int(value["review_milli"]), int(value["block_milli"])
    if not 0 < review <= block <= MILLI or value["item"] not in items:
        raise BundleInvalid(f"threshold {dict(value)} is not 0 < review <= block <= 1000")
    return Threshold(value["item"], review / MILLI, block / MILLI)
