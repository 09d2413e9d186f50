"""What a classifier of the gate must be able to do."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from moderation.kernel.verdicts import Reading

Pixels = NDArray[np.uint8]
"""An sRGB picture: uint8, height x width x 3."""


class ClassifierBroken(Exception):
    """A classifier cannot be used: absent, of another version, or wrong about its canaries."""


@runtime_checkable
class Classifier(Protocol):
    """What all have: a name, a version, the hash of their weights, and a test of themselves."""

    name: str
    version: str
    weights_sha256: str

    def self_test(self) -> str:
        """Runs the canaries; a line for people. Raises ClassifierBroken with a clear sentence."""
        ...


@runtime_checkable
class TextClassifier(Classifier, Protocol):
    """Judges whatever reaches the text encoder."""

    def read_text(self, text: str, *, sha256: str) -> Reading:
        """Scores from 0 to 1 for each label of the policy. May raise anything: that is refusal."""
        ...


@runtime_checkable
class ImageClassifier(Classifier, Protocol):
    """Judges pixels, before they are encoded."""

    def read_image(self, pixels: Pixels, *, sha256: str) -> Reading:
        """Scores from 0 to 1 for each label of the policy. May raise anything: that is refusal."""
        ...
