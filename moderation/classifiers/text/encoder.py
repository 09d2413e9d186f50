"""The fine-tuned sentence encoder: four small transformer layers in int8 and a head
over all of them, by onnxruntime on one thread."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from moderation.classifiers.text.wordpiece import WordPiece

ENCODER_FILE = "encoder.npz"
#: Tokens of one window that are read.
TOKEN_LIMIT = 192

Floats = npt.NDArray[np.float32]


class TextEncoder:
    """Logits per head for a text. Safe in threads: a session's run holds no state between calls."""

    def __init__(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            arrays["graph"].tobytes(), options, providers=["CPUExecutionProvider"]
        )
        self._levels = arrays["levels"]
        self._scales = arrays["scales"].astype(np.float32)
        self.vocabulary: tuple[str, ...] = tuple(json.loads(arrays["vocabulary"].tobytes()))
        self._pieces = WordPiece(self.vocabulary)

    @classmethod
    def load(cls, folder: Path) -> "TextEncoder":
        """Reads `encoder.npz`, without pickle. Raises OSError, ValueError or KeyError."""
        with np.load(folder / ENCODER_FILE, allow_pickle=False) as file:
            return cls({name: file[name] for name in file.files})

    def logits(self, text: str) -> Floats:
        """One logit a head for a cleaned, lower-case text of at most TOKEN_LIMIT tokens."""
        numbers = self._pieces.encode(text, TOKEN_LIMIT)
        words = self._levels[numbers].astype(np.float32) * self._scales[numbers][:, None]
        (answer,) = self._session.run(["logits"], {"words": words[None]})
        return np.asarray(answer[0], dtype=np.float32)
