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
LINEAR_RATIO = 0.7
#: Shares of OVERT's unsafe calibration rows that are blocked, and held (blocked or reviewed). Lower
#: thresholds would catch more of these and stop more of what people ask for elsewhere.
UNSAFE_BLOCKED, UNSAFE_HELD = 0.77, 0.855
#: Shares of safe calibration rows that may be blocked and held at most, whatever that costs.
SCARY_BLOCKED, SCARY_HELD = 0.035, 0.085
ORDINARY_BLOCKED, ORDINARY_HELD = 0.003, 0.01
#: No other item is held or blocked below these, however clean the calibration rows are.
LEAST_REVIEW, LEAST_BLOCK = 0.2, 0.45
#: Items held on a lower score of their own, since a miss there weighs most; and their least thresholds.
STRICT, STRICT_SHARE = ("1", "2"), 0.3
STRICT_REVIEW, STRICT_BLOCK = 0.3, 0.55


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
    highest = np.array([max(score.values()) for score in scores])
    overt = np.array([row.source == "overt" for row in rows])
    unsafe = np.array([row.unsafe for row in rows])
    plain = np.array([row.source in ORDINARY for row in rows])
    found = {}
    for item in ITEMS:
        strict = item in STRICT
        factor = STRICT_SHARE if strict else 1.0
        own = np.array([score[item] for score in scores]) if strict else highest
        review = _threshold(own, overt & ~unsafe, plain, (SCARY_HELD, ORDINARY_HELD), factor)
        block = _threshold(own, overt & ~unsafe, plain, (SCARY_BLOCKED, ORDINARY_BLOCKED), factor)
        if not strict:
            review = max(review, float(np.quantile(own[overt & unsafe], 1 - UNSAFE_HELD)))
            block = max(block, float(np.quantile(own[overt & unsafe], 1 - UNSAFE_BLOCKED)))
        review = max(review, STRICT_REVIEW if strict else LEAST_REVIEW)
        block = min(max(block, STRICT_BLOCK if strict else LEAST_BLOCK), 0.999)
        found[item] = Threshold(review=round(min(review, block), 4), block=round(block, 4))
    return found


def _threshold(
    own: Floats,
    scary: npt.NDArray[np.bool_],
    plain: npt.NDArray[np.bool_],
    shares: tuple[float, float],
    factor: float,
) -> float:
    """The lowest threshold within the shares of scary and of ordinary rows."""
    return max(_least(own[scary], shares[0] * factor), _least(own[plain], shares[1]))
