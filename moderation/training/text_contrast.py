"""The encoder's any-harm head learns what harm is within a subject, not which subjects are harmful.

A head fitted on everything learns in part that prompts about forged papers are mostly harmful and captions
never are. On a kind of harm it never saw that knowledge is no use, and it ranks badly within it. Two more
heads see only the contrast: one is fitted with an intercept for each of OVERT's subjects and each other
source, so that only differences within one count; the other on the differences between an unsafe prompt and
its benign twin. All are linear, so that the three add up to one head: nothing is dearer at run time.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from moderation.training.text_encoder import WIDTH
from moderation.training.text_rows import Row, subject_of

Floats = npt.NDArray[np.float32]
#: What the head fitted on everything, the one within subjects and the one of twins weigh, at equal spread
#: on OVERT. Chosen on calibration rows, by leaving out, and on two thirds of our own harmless prompts.
PLAIN, WITHIN, BETWEEN = 0.5, 2.0, 1.0
#: Inverse penalties, and how far an intercept may move without a price.
WITHIN_STRENGTH, PAIR_STRENGTH, FREE = 0.003, 0.001, 10.0
SOURCE = "overt"


def with_contrast(
    pools: Floats, rows: Sequence[Row], importance: Floats, weights: Floats, bias: float
) -> tuple[Floats, float]:
    """The any-harm head over `pools` with the contrasts added, at its old spread and mean on OVERT.

    Without a row of OVERT there is nothing to contrast, and the head stays as it is.
    """
    own = np.array([row.source == SOURCE for row in rows])
    if not own.any():
        return weights, bias
    spread = pools.std(axis=0) + 1e-6
    scaled = (pools - pools.mean(axis=0)) / spread
    seen = pools[own]
    total = PLAIN * weights / float((seen @ weights).std())
    for share, part in (
        (WITHIN, _within(scaled, rows, importance)),
        (BETWEEN, _between(scaled, rows)),
    ):
        if part is not None:
            total = total + share * (part / spread) / float((seen @ (part / spread)).std())
    total = total * float((seen @ weights).std() / (seen @ total).std())
    shift = float((seen @ weights).mean() - (seen @ total).mean())
    return total.astype(np.float32), bias + shift


def _within(scaled: Floats, rows: Sequence[Row], importance: Floats) -> npt.NDArray[np.float64]:
    """Weights over the last layer, fitted with an intercept for each subject."""
    subjects = [subject_of(row) for row in rows]
    known = np.array([[each == one for one in sorted(set(subjects))] for each in subjects])
    model = LogisticRegression(C=WITHIN_STRENGTH, max_iter=200)
    features = np.hstack([scaled[:, -WIDTH:], FREE * known])
    model.fit(features, [row.unsafe for row in rows], sample_weight=importance)
    found = np.zeros(scaled.shape[1])
    found[-WIDTH:] = model.coef_[0][:WIDTH]
    return found


def _between(scaled: Floats, rows: Sequence[Row]) -> npt.NDArray[np.float64] | None:
    """Weights that put an unsafe row above its benign twin; None without pairs."""
    safe = {row.text.strip().lower(): place for place, row in enumerate(rows) if not row.unsafe}
    pairs = [
        (place, safe[row.twin.strip().lower()])
        for place, row in enumerate(rows)
        if row.unsafe and row.twin and row.twin.strip().lower() in safe
    ]
    if not pairs:
        return None
    unsafe, benign = np.array(pairs).T
    gaps = scaled[unsafe] - scaled[benign]
    model = LogisticRegression(C=PAIR_STRENGTH, fit_intercept=False, max_iter=200)
    model.fit(np.vstack([gaps, -gaps]), np.repeat([True, False], len(gaps)))
    found: npt.NDArray[np.float64] = model.coef_[0]
    return found
