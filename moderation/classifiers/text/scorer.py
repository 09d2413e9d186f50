"""Scores one window of text: linear heads and encoder, joined, then shared out to policy items."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from moderation.classifiers.text.encoder import TextEncoder
from moderation.classifiers.text.features import counts_of, weighted
from moderation.classifiers.text.heads import Heads
from moderation.classifiers.text.scores import ITEMS, ScoreNotFinite

#: The head that says whether a text falls under any item at all.
ANY = "any"
#: Taken from the any-harm logit per unit of ln(windows): the highest of many is high by chance.
WINDOW_PENALTY = 0.5
#: Taken from it per word that a text falls short of SHORT: a bare name or noun is little evidence, and
#: the heads learned from sentences. Rules are not touched by this.
SHORT, SHORT_PENALTY = 4, 1.0


@dataclass(frozen=True)
class Fusion:
    """How the two models' logits are joined: `linear` and `encoder` weights and an offset."""

    linear: float
    encoder: float
    offset: float


class Scorer:
    """A pure function of a window's text, once built."""

    def __init__(self, heads: Heads, encoder: TextEncoder, fusion: Mapping[str, Fusion]) -> None:
        self._heads = heads
        self._encoder = encoder
        self._fusion = [fusion[name] for name in heads.names]

    def logits(self, window: str) -> tuple[list[float], list[float]]:
        """Logits per head of the linear model and of the encoder."""
        heads = self._heads
        buckets, values = weighted(counts_of(window), heads.idf)
        linear = (heads.weights[:, buckets].astype(np.float32) @ values) * heads.scales
        return (linear + heads.bias).tolist(), self._encoder.logits(window).tolist()

    def score(self, window: str, of: int = 1) -> dict[str, float]:
        """A score per policy item, 0..1, for one window of `of`. Raises ScoreNotFinite."""
        linear, encoder = self.logits(window)
        joined = [
            way.linear * first + way.encoder * second + way.offset
            for way, first, second in zip(self._fusion, linear, encoder, strict=True)
        ]
        if not all(math.isfinite(value) for value in joined):
            raise ScoreNotFinite("a head answered no finite number")
        logits = dict(zip(self._heads.names, joined, strict=True))
        missing = max(0, SHORT - len(window.split()))
        logits[ANY] -= WINDOW_PENALTY * math.log(of) + SHORT_PENALTY * missing
        return share_out(logits)


def share_out(logits: Mapping[str, float]) -> dict[str, float]:
    """Item scores: the any-harm probability goes to the strongest item in full, to the others in
    proportion to their own, so that the highest item score is the any-harm score.

    An item without a head scores 0.
    """
    any_harm = sigmoid(logits[ANY])
    own = {item: sigmoid(logits[item]) for item in ITEMS if item in logits}
    strongest = max(own.values())
    return {item: any_harm * own.get(item, 0.0) / strongest for item in ITEMS}


def sigmoid(value: float) -> float:
    """The logistic function, clipped so that it neither overflows nor reaches 0 or 1."""
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, value))))
