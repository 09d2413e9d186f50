"""Text painted into pictures, read by RapidOCR (optional extra ``ocr``) and judged by the text gate."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from governance.kernel.canonical import sha256_hex
from moderation.classifiers.prompts import PromptGate
from moderation.classifiers.protocols import ClassifierBroken, Pixels
from moderation.kernel.outcomes import Outcome
from moderation.kernel.verdicts import Reading

FEWEST_LETTERS = 3
# One thread and 736 px a side: 0.4 s of a core for 1024 px, and lettering 1/50 of the side is still read.
PARAMETERS = {
    "Global.log_level": "critical",
    "Global.use_cls": False,
    "Det.limit_type": "max",
    "Det.limit_side_len": 736,
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
}
Reader = Callable[[Pixels], list[str]]


class TextInPictures:
    """Reads lines, joins them and asks the text gate; a picture without text scores 0."""

    name = "licet-ocr"

    def __init__(self, reader: Reader | None = None) -> None:
        self._gate = PromptGate()
        self._read = reader or rapidocr_reader()
        try:
            engine = version("rapidocr") if reader is None else "given"
        except PackageNotFoundError as absent:
            raise ClassifierBroken("licet-ocr needs the extra ocr (rapidocr)") from absent
        self.version = f"{engine}+{self._gate.version}"
        self.weights_sha256 = sha256_hex(f"{engine} {self._gate.weights_sha256}".encode())

    def read_image(self, pixels: Pixels, *, sha256: str) -> Reading:
        """The text gate's scores for what is written in the picture.

        Letters too few for a language are no reason for review: only scores count then.
        """
        text = " ".join(self._read(pixels)).strip()
        if sum(letter.isalpha() for letter in text) < FEWEST_LETTERS:
            empty = dict.fromkeys("123456789", 0.0)
            return Reading(subject_sha256=sha256, scores=empty, facts={"letters": 0})
        found = self._gate.read_text(text, sha256=sha256)
        floor = found.outcome if found.item else Outcome.ALLOW
        return Reading(
            subject_sha256=sha256,
            scores=found.scores,
            outcome=floor,
            item=found.item,
            reasons=tuple(f"text in the picture: {reason}" for reason in found.reasons),
            facts={"letters": len(text)},
            thresholds=found.thresholds,
        )

    def self_test(self) -> str:
        """A blank picture holds no text."""
        blank = np.full((64, 256, 3), 255, dtype=np.uint8)
        if max(self.read_image(blank, sha256="").scores.values()) > 0:
            raise ClassifierBroken("licet-ocr reads text on a blank picture")
        return "a blank picture holds no text"


def rapidocr_reader() -> Reader:
    """RapidOCR on CPU with the models inside its package. Raises ClassifierBroken when absent."""
    try:
        engine = import_module("rapidocr").RapidOCR(params=PARAMETERS)
    except ImportError as absent:
        raise ClassifierBroken("licet-ocr needs the extra ocr (rapidocr)") from absent

    def read(pixels: Pixels) -> list[str]:
        found = engine(pixels[:, :, ::-1])
        return [str(line) for line in (found.txts or ())]

    return read
