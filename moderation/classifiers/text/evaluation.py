"""Figures of a text gate on labelled rows: ranking, shares per outcome, pairs, per source and category.

Pure functions of labels, scores and outcomes; numpy only. Ties count half. A figure that needs both
labels, or a row, is None where there are none.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Figures = dict[str, float | int | None]
_UNSAFE = frozenset({"unsafe", "harmful", "toxic", "nsfw", "1", "true", "yes", "positive"})
_SAFE = frozenset({"safe", "harmless", "benign", "sfw", "0", "false", "no", "negative", "ok"})


class LabelUnknown(Exception):
    """A row's label is none of the words for safe and unsafe."""

    code = "label_unknown"


@dataclass(frozen=True)
class Judged:
    """One labelled row with the gate's answer. `twin` is the text of its benign counterpart."""

    text: str
    unsafe: bool
    source: str
    category: str
    score: float
    outcome: str
    twin: str = ""


def unsafe_of(label: object) -> bool:
    """True for an unsafe label (`unsafe`, 1, true), False for a safe one. Raises LabelUnknown."""
    word = str(label).strip().lower()
    if word in _UNSAFE:
        return True
    if word in _SAFE:
        return False
    raise LabelUnknown(f"label {word[:40]!r} is neither safe nor unsafe")


def _arrays(
    labels: Sequence[bool], scores: Sequence[float]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    return np.asarray(labels, dtype=bool), np.asarray(scores, dtype=np.float64)


def auroc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Probability that an unsafe row scores above a safe one (Mann-Whitney)."""
    truth, values = _arrays(labels, scores)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    wins = float(ranks[truth].sum()) - positives * (positives + 1) / 2
    return wins / (positives * negatives)


def auprc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Average precision: precision at each distinct score, weighted by the recall it adds."""
    truth, values = _arrays(labels, scores)
    positives = int(truth.sum())
    if not positives:
        return None
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.nonzero(np.diff(values[order]))[0], len(values) - 1)
    precision = hits[last] / (last + 1)
    gained = np.diff(np.concatenate([[0], hits[last]])) / positives
    return float((precision * gained).sum())


def recall_at(labels: Sequence[bool], scores: Sequence[float], rate: float) -> float | None:
    """Share of unsafe rows above the lowest score that passes at most `rate` of the safe rows."""
    truth, values = _arrays(labels, scores)
    if not truth.any() or truth.all():
        return None
    safe = np.sort(values[~truth])[::-1]
    limit = safe[min(int(rate * len(safe)), len(safe) - 1)]
    return float((values[truth] > limit).mean())


def pairs_won(rows: Sequence[Judged]) -> tuple[int, float | None]:
    """Unsafe rows whose benign twin is here, and the share of them that scores above it."""
    safe = {row.text.strip().lower(): row.score for row in rows if not row.unsafe}
    results = []
    for row in rows:
        twin = safe.get(row.twin.strip().lower()) if row.unsafe and row.twin else None
        if twin is not None:
            results.append(1.0 if row.score > twin else 0.5 if row.score == twin else 0.0)
    return len(results), float(np.mean(results)) if results else None


def _share(rows: Sequence[Judged], *outcomes: str) -> float | None:
    return sum(row.outcome in outcomes for row in rows) / len(rows) if rows else None


def figures_of(rows: Sequence[Judged]) -> Figures:
    """All figures of a set of rows. `blocked` and `held` are shares; held is review or block."""
    safe = [row for row in rows if not row.unsafe]
    unsafe = [row for row in rows if row.unsafe]
    labels, scores = [row.unsafe for row in rows], [row.score for row in rows]
    pairs, won = pairs_won(rows)
    return {
        "rows": len(rows),
        "unsafe": len(unsafe),
        "auroc": auroc(labels, scores),
        "auprc": auprc(labels, scores),
        "recall_at_1_percent_fpr": recall_at(labels, scores, 0.01),
        "recall_at_5_percent_fpr": recall_at(labels, scores, 0.05),
        "safe_blocked": _share(safe, "block"),
        "safe_reviewed": _share(safe, "review"),
        "unsafe_blocked": _share(unsafe, "block"),
        "unsafe_reviewed": _share(unsafe, "review"),
        "unsafe_held": _share(unsafe, "review", "block"),
        "pairs": pairs,
        "pairs_won": won,
    }


def evaluate(rows: Iterable[Judged]) -> dict[str, Any]:
    """Figures of all rows, per source, and per source and category.

    A category's ranking figures set its unsafe rows against all safe rows of its source, because in
    several sources a category holds unsafe rows only.
    """
    found = list(rows)
    sources: defaultdict[str, list[Judged]] = defaultdict(list)
    for row in found:
        sources[row.source].append(row)
    return {
        "all": figures_of(found),
        "sources": {name: figures_of(part) for name, part in sorted(sources.items())},
        "categories": {
            f"{name}/{category}": figures
            for name, part in sorted(sources.items())
            for category, figures in _categories(part).items()
        },
    }


def _categories(rows: Sequence[Judged]) -> Mapping[str, Figures]:
    safe = [row for row in rows if not row.unsafe]
    found = {}
    for category in sorted({row.category for row in rows if row.category}):
        own = [row for row in rows if row.category == category]
        ranked = [row for row in own if row.unsafe] + safe
        figures = figures_of(own)
        for name in ("auroc", "auprc", "recall_at_1_percent_fpr", "recall_at_5_percent_fpr"):
            figures[name] = figures_of(ranked)[name]
        found[category] = figures
    return found
