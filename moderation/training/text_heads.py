"""Trains the linear heads over hashed n-grams and packs them for the web process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from moderation.classifiers.text.features import SIZE, Counts, counts_of, weighted
from moderation.classifiers.text.normalise import clean
from moderation.classifiers.text.weights import HEADS_FILE
from moderation.training.text_rows import ITEMS, Row

HEADS = ("any", *ITEMS)
Floats = npt.NDArray[np.float32]


def targets_of(rows: Sequence[Row]) -> npt.NDArray[np.bool_]:
    """One column a head: any harm, then the policy items."""
    return np.array([[row.unsafe, *(item in row.items for item in ITEMS)] for row in rows])


def idf_of(counts: Sequence[Counts]) -> Floats:
    """Smoothed inverse document frequency per bucket; buckets seen once or never weigh nothing."""
    frequency = np.zeros(SIZE)
    for buckets, _ in counts:
        frequency[buckets] += 1
    idf = np.log((1 + len(counts)) / (1 + frequency)) + 1
    idf[frequency <= 1] = 0
    return idf.astype(np.float32)


def matrix_of(counts: Sequence[Counts], idf: Floats) -> sparse.csr_matrix:
    """Sparse matrix of weighted features, a row per text."""
    parts = [weighted(pair, idf) for pair in counts]
    lengths = [len(buckets) for buckets, _ in parts]
    return sparse.csr_matrix(
        (
            np.concatenate([values for _, values in parts]),
            np.concatenate([buckets for buckets, _ in parts]),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(len(parts), SIZE),
    )


def fit_heads(
    features: sparse.csr_matrix, targets: npt.NDArray[np.bool_], importance: Floats, strength: float
) -> tuple[Floats, Floats]:
    """Logistic regression per head: weights (heads x SIZE) and biases."""
    weights = np.zeros((targets.shape[1], SIZE), dtype=np.float32)
    bias = np.zeros(targets.shape[1], dtype=np.float32)
    for place in range(targets.shape[1]):
        if not targets[:, place].any():
            bias[place] = -12.0
            continue
        model = LogisticRegression(
            C=strength, class_weight="balanced", solver="liblinear", max_iter=300, random_state=0
        )
        model.fit(features, targets[:, place].astype(np.int64), sample_weight=importance)
        weights[place] = model.coef_[0]
        bias[place] = model.intercept_[0]
    return weights, bias


def pack_heads(
    folder: Path, *, weights: Floats, bias: Floats, idf: Floats, words: Sequence[str], **extra: Any
) -> None:
    """Writes `heads.npz`: int8 weights with one scale a head, half-precision idf, the word list."""
    scales = np.maximum(np.abs(weights).max(axis=1), 1e-6) / 127
    np.savez_compressed(
        folder / HEADS_FILE,
        names=np.frombuffer("\n".join(HEADS).encode(), dtype=np.uint8),
        weights=np.round(weights / scales[:, None]).astype(np.int8),
        scales=scales.astype(np.float32),
        bias=bias,
        idf=idf.astype(np.float16),
        words=np.frombuffer("\n".join(words).encode(), dtype=np.uint8),
        **extra,
    )


def features_of(rows: Sequence[Row]) -> list[Counts]:
    """Counts of the plain view of every row."""
    return [counts_of(" ".join(clean(row.text).lower().split())) for row in rows]
