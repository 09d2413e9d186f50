"""The text gate: one trained head per policy item, rules for what no score may decide, language.

Interface:

    gate = TextGate.load()                    # or load(folder); raises WeightsUnusable
    gate.self_test()                          # raises GateSelfTestFailed
    found = gate.classify(text)               # TextScores; thresholds=None uses the shipped ones
    found.outcome                             # "allow" | "label" | "review" | "block"

`TextGate.name`, `.version`, `.weights_sha256` identify it in verdicts; `.thresholds` are the shipped
ones (`thresholds.json`), `.covered` the items that have a head; item 9 has none and scores 0.
`classify` is a pure function of the text, the thresholds and the weights, safe in threads, bounded on
any input, and never answers NaN: it raises ScoreNotFinite. What the heads cannot read (another
language, text beyond the limit) is `review`, never `allow`. Rules hold whatever the thresholds say.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from moderation.classifiers.text.heads import Heads
from moderation.classifiers.text.language import READ, UNKNOWN, LanguageCheck
from moderation.classifiers.text.normalise import READ_LIMIT, View, for_language, views_of
from moderation.classifiers.text.rules import Finding, Lexicon
from moderation.classifiers.text.scorer import Scorer
from moderation.classifiers.text.scores import (
    ITEM_NAMES,
    ITEMS,
    RANK,
    Outcome,
    TextScores,
    Thresholds,
    outcome_of,
    read_thresholds,
)
from moderation.classifiers.text.weights import (
    FOLDER,
    folder_sha256,
    read_encoder,
    read_fusion,
    read_heads,
    read_json,
    read_lexicon,
)

#: Words and characters of one window, words shared by neighbours, windows of a text that are read.
WINDOW, WINDOW_CHARS, OVERLAP, WINDOWS = 90, 560, 20, 40
LONGEST_WORD = 64
#: Least score of an item whose rule fired. The outcome comes from the rule, not from this.
RULE_SCORE = {"review": 0.3, "block": 0.6}
CANARY_TOLERANCE = 0.03


class GateSelfTestFailed(Exception):
    """A canary did not score as recorded, or the weights are not those of the manifest."""

    code = "gate_self_test_failed"


def windows_of(text: str) -> list[str]:
    """`text` itself when it is short, else overlapping windows of whole words, first to last."""
    words = text.split(" ")
    if len(words) <= WINDOW and len(text) <= WINDOW_CHARS:
        return [text]
    windows, start = [], 0
    while start < len(words):
        end, size = start, 0
        while end < len(words) and end - start < WINDOW and size <= WINDOW_CHARS:
            size += len(words[end]) + 1
            end += 1
        windows.append(" ".join(words[start:end]))
        if end >= len(words):
            break
        start = max(start + 1, end - OVERLAP)
    return windows


@dataclass(frozen=True)
class _Read:
    """What the windows of all views gave."""

    scores: dict[str, float]
    findings: tuple[Finding, ...]
    complete: bool


class TextGate:
    """Scores a prompt per policy item and says what follows. See the module's docstring."""

    name = "licet-text-gate"

    def __init__(
        self,
        *,
        heads: Heads,
        scorer: Scorer,
        lexicon: Lexicon,
        thresholds: Thresholds,
        version: str,
        digest: str,
        folder: Path,
    ) -> None:
        self.version = version
        self.weights_sha256 = digest
        self.thresholds = dict(thresholds)
        self.covered = tuple(thresholds)
        self._words = heads.words
        self._scorer = scorer
        self._lexicon = lexicon
        self._folder = folder
        self._language = LanguageCheck(heads.words)

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """The gate of `folder` (default: the shipped weights). Raises WeightsUnusable."""
        folder = folder or FOLDER
        heads = read_heads(folder)
        return cls(
            heads=heads,
            scorer=Scorer(heads, read_encoder(folder), read_fusion(folder)),
            lexicon=read_lexicon(folder),
            thresholds=read_thresholds(read_json(folder, "thresholds.json")),
            version=str(read_json(folder, "manifest.json").get("version", "")),
            digest=folder_sha256(folder),
            folder=folder,
        )

    def classify(self, text: str, thresholds: Thresholds | None = None) -> TextScores:
        """Scores, outcome, item and reasons for `text`. Raises ScoreNotFinite, never answers NaN."""
        limits = self.thresholds if thresholds is None else thresholds
        views = views_of(text, self._words)
        read = self._read(views)
        language = self._language.tag(for_language(text))
        judged = outcome_of(read.scores, limits) if _is_read(language, views) else ("allow", None)
        outcome, item = _with_findings(judged, read.findings)
        reasons = [f"{found.reason} (rule {found.rule})" for found in read.findings]
        if item and not any(found.item == item for found in read.findings):
            reasons.append(f"reads as {ITEM_NAMES[item]}")
        unread = _unread(text, views, language, complete=read.complete)
        if unread and RANK[outcome] < RANK["review"]:
            outcome = "review"
        return TextScores(
            scores=read.scores,
            score=max(read.scores.values()),
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
            apart = abs(found.score - canary["score"])
            if found.outcome != canary["outcome"] or apart > CANARY_TOLERANCE:
                raise GateSelfTestFailed(f"canary {place} does not score as recorded")

    def _read(self, views: tuple[View, ...]) -> _Read:
        best = dict.fromkeys(ITEMS, 0.0)
        fired: dict[str, Finding] = {}
        complete = True
        for view in views:
            windows = windows_of(view.text)
            complete = complete and len(windows) <= WINDOWS
            for window in windows[:WINDOWS]:
                fired |= {found.rule: found for found in self._lexicon.findings(window)}
                scores = self._scorer.score(window, of=len(windows))
                for item, value in scores.items():
                    best[item] = max(best[item], value)
        findings = _strictest(fired.values())
        for found in findings:
            best[found.item] = max(best[found.item], RULE_SCORE[found.outcome])
        return _Read(best, findings, complete)


def _is_read(language: str, views: tuple[View, ...]) -> bool:
    """Whether the heads' scores mean anything: in another language they neither block nor allow.

    Letters of no known language count when a further view made English of them.
    """
    return language in READ or (language == UNKNOWN and len(views) > 1)


def _strictest(fired: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding an item: the one with the strictest outcome."""
    best: dict[str, Finding] = {}
    for found in fired:
        known = best.get(found.item)
        if known is None or RANK[found.outcome] > RANK[known.outcome]:
            best[found.item] = found
    return tuple(best.values())


def _with_findings(
    decided: tuple[Outcome, str | None], findings: tuple[Finding, ...]
) -> tuple[Outcome, str | None]:
    """A rule outranks a head that says as much, because its reason is the clearer one."""
    for found in sorted(findings, key=lambda finding: finding.item, reverse=True):
        if RANK[found.outcome] >= RANK[decided[0]]:
            decided = (found.outcome, found.item)
    return decided


def _unread(
    text: str, views: tuple[View, ...], language: str, *, complete: bool
) -> tuple[str, ...]:
    """Why a part of the text could not be read, in plain words; empty when all was."""
    reasons = []
    if language not in READ:
        reasons.append(f"the language ({language}) cannot be read by the classifier")
    if len(text) > READ_LIMIT or not complete:
        reasons.append(f"too long: only the first {READ_LIMIT} characters can be read")
    if any(len(word) > LONGEST_WORD for word in views[-1].text.split(" ")):
        reasons.append("holds a run of letters too long to be words")
    return tuple(reasons)


__all__ = ["GateSelfTestFailed", "Outcome", "TextGate", "TextScores"]
