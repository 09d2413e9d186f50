"""Joins the two models and sets thresholds, on rows that neither model was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from moderation.classifiers.text.scorer import ANY, Fusion
from moderation.classifiers.text.scores import Threshold
from moderation.training.text_heads import HEADS
from moderation.training.text_rows import ITEMS, ORDINARY, Row

Floats = npt.NDArray[np.float64]

#: Weight of the linear logit beside one of the encoder.
LINEAR_RATIO = 0.4
#: Shares of safe calibration rows that may be blocked, and held (blocked or reviewed).
SCARY_BLOCKED, SCARY_HELD = 0.03, 0.085
ORDINARY_BLOCKED, ORDINARY_HELD = 0.003, 0.01
#: No item is held or blocked below these, however clean the calibration rows are.
LEAST_REVIEW, LEAST_BLOCK = 0.2, 0.45
#: Items held on a lower score of their own: a miss there weighs most.
STRICT = ("1", "2")


@dataclass(frozen=True)
class Logits:
    """Logits per row and head of the linear model and the encoder."""

    linear: Floats
    encoder: Floats


def fit_fusion(logits: Logits, rows: Sequence[Row]) -> dict[str, Fusion]:
    """Scale and offset of the joined any-harm logit, the scale for all heads; sources weigh alike.

    The ratio of the two models is fixed (LINEAR_RATIO): few calibration rows cannot tell it well, and
    the linear model is kept because it fails on other texts than the encoder does.
    """
    truth = np.array([row.unsafe for row in rows])
    sources = [row.source if row.source not in ORDINARY else "ordinary" for row in rows]
    cells = list(zip(sources, truth.tolist(), strict=True))
    importance = np.array([1.0 / cells.count(cell) for cell in cells])
    joined = LINEAR_RATIO * logits.linear[:, :1] + logits.encoder[:, :1]
    model = LogisticRegression(C=1e3).fit(joined, truth, importance * len(rows) / importance.sum())
    scale, offset = float(model.coef_[0][0]), float(model.intercept_[0])
    return {
        name: Fusion(
            linear=round(scale * LINEAR_RATIO, 4),
            encoder=round(scale, 4),
            offset=round(offset, 4) if name == ANY else 0.0,
        )
        for name in HEADS
    }


def _least(scores: Floats, share: float) -> float:
    """The lowest threshold that at most `share` of `scores` reaches."""
    ordered = np.sort(scores)[::-1]
    return float(np.nextafter(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2.0))


def fit_thresholds(scores: Sequence[dict[str, float]], rows: Sequence[Row]) -> dict[str, Threshold]:
    """Review and block per item: common ones, lower for STRICT where no safe row comes near."""
    scary = [place for place, row in enumerate(rows) if row.source == "overt" and not row.unsafe]
    plain = [place for place, row in enumerate(rows) if row.source in ORDINARY]
    found = {}
    for item in ITEMS:
        own = np.array([score[item] if item in STRICT else max(score.values()) for score in scores])
        factor = 0.3 if item in STRICT else 1.0
        review = max(_least(own[scary], factor * SCARY_HELD), _least(own[plain], ORDINARY_HELD))
        block = max(
            _least(own[scary], factor * SCARY_BLOCKED), _least(own[plain], ORDINARY_BLOCKED)
        )
        review = max(review, LEAST_REVIEW)
        block = min(max(block, LEAST_BLOCK), 0.999)
        found[item] = Threshold(review=round(min(review, block), 4), block=round(block, 4))
    return found
