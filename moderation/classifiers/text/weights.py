"""Weights of the text gate on disk: one .npz read without pickle, thresholds and canaries as JSON."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from moderation.classifiers.text.encoder import TextEncoder
from moderation.classifiers.text.features import SIZE
from moderation.classifiers.text.heads import Heads
from moderation.classifiers.text.rules import Lexicon, LexiconUnusable
from moderation.classifiers.text.scorer import Fusion
from moderation.classifiers.text.words import Words

FOLDER = Path(__file__).resolve().parents[2] / "weights" / "text-gate"
HEADS_FILE = "heads.npz"


class WeightsUnusable(Exception):
    """A file of the weights folder is missing, malformed or of an unknown version."""

    code = "weights_unusable"


def folder_sha256(folder: Path) -> str:
    """SHA-256 over the names and contents of the weight files, in name order."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".npz", ".onnx", ".json"} and path.name != "manifest.json":
            if path.name == "metrics.json":
                continue
            body = path.read_bytes()
            digest.update(f"{path.name}\0{len(body)}\0".encode())
            digest.update(body)
    return digest.hexdigest()


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object of the folder. Raises WeightsUnusable."""
    try:
        raw = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsUnusable(f"{name} cannot be read") from error
    if not isinstance(raw, dict):
        raise WeightsUnusable(f"{name} is not an object")
    return raw


def read_heads(folder: Path) -> Heads:
    """The linear heads and the word list. Raises WeightsUnusable."""
    try:
        with np.load(folder / HEADS_FILE, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        words = arrays["words"].tobytes().decode("utf-8").split("\n")
        heads = Heads(
            names=tuple(arrays["names"].tobytes().decode("utf-8").split("\n")),
            weights=arrays["weights"],
            scales=arrays["scales"].astype(np.float32),
            bias=arrays["bias"].astype(np.float32),
            idf=arrays["idf"].astype(np.float32),
            words=Words(words),
        )
    except (OSError, ValueError, KeyError) as error:
        raise WeightsUnusable(f"{HEADS_FILE} cannot be read") from error
    if heads.weights.shape != (len(heads.names), SIZE) or heads.idf.shape != (SIZE,):
        raise WeightsUnusable(f"{HEADS_FILE} has an unknown shape")
    return heads


def read_encoder(folder: Path) -> TextEncoder:
    """The sentence encoder. Raises WeightsUnusable."""
    try:
        return TextEncoder.load(folder)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise WeightsUnusable("encoder.npz cannot be read") from error


def read_fusion(folder: Path) -> dict[str, Fusion]:
    """How the two models are joined, per head. Raises WeightsUnusable."""
    try:
        return {
            name: Fusion(**{part: float(value) for part, value in raw.items()})
            for name, raw in read_json(folder, "fusion.json").items()
        }
    except (TypeError, ValueError, AttributeError) as error:
        raise WeightsUnusable("fusion.json is malformed") from error


def read_lexicon(folder: Path) -> Lexicon:
    """Rules and word sets. Raises WeightsUnusable."""
    try:
        return Lexicon(read_json(folder, "lexicon.json"))
    except LexiconUnusable as error:
        raise WeightsUnusable("lexicon.json is malformed") from error
