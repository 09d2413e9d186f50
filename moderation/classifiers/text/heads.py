"""The linear heads as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moderation.classifiers.text.words import Words

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Heads:
    """Linear heads over hashed n-grams: `weights` (heads x SIZE, int8) times `scales`, `bias`."""

    names: tuple[str, ...]
    weights: npt.NDArray[np.int8]
    scales: Floats
    bias: Floats
    idf: Floats
    words: Words
