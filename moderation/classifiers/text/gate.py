"""The text gate: one trained head per policy item, rules for what no score may decide, language.

Interface:

    gate = TextGate.load()                    # or load(folder); raises WeightsUnusable
    gate.self_test()                          # raises GateSelfTestFailed
    found = gate.classify(text)               # TextScores; thresholds=None uses the shipped ones
    found.outcome                             # "allow" | "label" | "review" | "block"

`TextGate.name`, `.version`, `.weights_sha256` identify it in verdicts; `.thresholds` are the shipped
ones (`thresholds.json`), `.covered` the items that have a head. `classify` is a pure function of the
text, the thresholds and the weights, safe in threads, bounded on any input, and never answers NaN:
it raises ScoreNotFinite. What the heads cannot read (another language, or text beyond the limit) is
`review`, never `allow`.
"""

import math
from pathlib import Path
from typing import Self

import numpy as np

from moderation.classifiers.text.features import counts_of, weighted
from moderation.classifiers.text.language import READ, LanguageCheck
from moderation.classifiers.text.normalise import READ_LIMIT, View, clean, views_of
from moderation.classifiers.text.scores import (
    ITEM_NAMES,
    ITEMS,
    RANK,
    Outcome,
    ScoreNotFinite,
    TextScores,
    Thresholds,
    outcome_of,
    read_thresholds,
)
from moderation.classifiers.text.weights import (
    FOLDER,
    Heads,
    folder_sha256,
    read_heads,
    read_json,
)

#: Words of one window and the step between windows; windows of a view that are read.
WINDOW, STEP, WINDOWS = 120, 90, 24


class GateSelfTestFailed(Exception):
    """A canary did not score as recorded, or the weights are not those of the manifest."""

    code = "gate_self_test_failed"


def windows_of(text: str) -> list[str]:
    """`text` itself when it is short, else overlapping windows of WINDOW words, at most WINDOWS."""
    words = text.split(" ")
    if len(words) <= WINDOW:
        return [text]
    starts = range(0, max(len(words) - WINDOW + STEP, 1), STEP)
    return [" ".join(words[start : start + WINDOW]) for start in starts][:WINDOWS]


class TextGate:
    """Scores a prompt per policy item and says what follows. See the module's docstring."""

    name = "licet-text-gate"

    def __init__(
        self, *, heads: Heads, thresholds: Thresholds, version: str, digest: str, folder: Path
    ) -> None:
        self.version = version
        self.weights_sha256 = digest
        self.thresholds = dict(thresholds)
        self.covered = tuple(thresholds)
        self._heads = heads
        self._folder = folder
        self._language = LanguageCheck(heads.words)

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """The gate of `folder` (default: the shipped weights). Raises WeightsUnusable."""
        folder = folder or FOLDER
        manifest = read_json(folder, "manifest.json")
        return cls(
            heads=read_heads(folder),
            thresholds=read_thresholds(read_json(folder, "thresholds.json")),
            version=str(manifest.get("version", "")),
            digest=folder_sha256(folder),
            folder=folder,
        )

    def classify(self, text: str, thresholds: Thresholds | None = None) -> TextScores:
        """Scores, outcome, item and reasons for `text`. Raises ScoreNotFinite, never answers NaN."""
        views = views_of(text, self._heads.words)
        scores = self._score_views(views)
        language = self._language.tag(clean(text))
        outcome, item = outcome_of(scores, thresholds or self.thresholds)
        reasons = [f"reads as {ITEM_NAMES[item]}"] if item else []
        unread = self._unread(text, language)
        if unread and RANK[outcome] < RANK["review"]:
            outcome = "review"
        return TextScores(
            scores=scores,
            score=max(scores.values()),
            outcome=outcome,
            item=item,
            reasons=(*reasons, *unread),
            language=language,
            views=tuple(view.name for view in views),
        )

    def self_test(self) -> None:
        """Scores the recorded canaries. Raises GateSelfTestFailed."""
        manifest = read_json(self._folder, "manifest.json")
        if manifest.get("weights_sha256") != self.weights_sha256:
            raise GateSelfTestFailed("the weights are not those of the manifest")
        canaries = manifest.get("canaries") or []
        if not canaries:
            raise GateSelfTestFailed("the manifest holds no canary")
        for place, canary in enumerate(canaries):
            found = self.classify(canary["text"])
            if found.outcome != canary["outcome"] or abs(found.score - canary["score"]) > 0.02:
                raise GateSelfTestFailed(f"canary {place} does not score as recorded")

    def _unread(self, text: str, language: str) -> tuple[str, ...]:
        reasons = []
        if language not in READ:
            reasons.append(f"the language ({language}) cannot be read by the classifier")
        if len(text) > READ_LIMIT:
            reasons.append(f"only the first {READ_LIMIT} characters can be read")
        return tuple(reasons)

    def _score_views(self, views: tuple[View, ...]) -> dict[str, float]:
        best = dict.fromkeys(ITEMS, 0.0)
        for view in views:
            for window in windows_of(view.text):
                for item, value in self._score_window(window).items():
                    best[item] = max(best[item], value)
        return best

    def _score_window(self, text: str) -> dict[str, float]:
        heads = self._heads
        buckets, values = weighted(counts_of(text), heads.idf)
        logits = (heads.weights[:, buckets].astype(np.float32) @ values) * heads.scales + heads.bias
        if not np.all(np.isfinite(logits)):
            raise ScoreNotFinite("a head answered no finite number")
        odds = dict(zip(heads.names, logits.tolist(), strict=True))
        return share_out(odds)


def share_out(logits: dict[str, float]) -> dict[str, float]:
    """Item scores from the heads: the any-harm probability goes to the strongest item in full, to the
    others in proportion to their own odds, so that the highest item score is the any-harm score.
    """
    any_harm = _sigmoid(logits["any"])
    own = {item: _sigmoid(logits[item]) for item in logits if item != "any"}
    strongest = max(own.values())
    return {item: any_harm * value / strongest for item, value in own.items()}


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, value))))


__all__ = ["GateSelfTestFailed", "Outcome", "TextGate", "TextScores"]
