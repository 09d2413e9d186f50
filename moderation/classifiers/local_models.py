"""Classifiers with weights from a folder or in a process of their own, chosen by setting.

torch, transformers and open_clip are loaded by name when such a classifier is made, which happens in the
engine only: the web process never asks for an image classifier.
"""

import base64
import io
import json
import subprocess
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from PIL import Image

from governance.kernel.canonical import sha256_hex
from moderation.classifiers.protocols import ClassifierBroken, Pixels
from moderation.kernel.verdicts import Reading

# Parts that NudeNet names when they are bare; covered parts do not count.
NUDENET_EXPOSED = (
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "ANUS_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "BUTTOCKS_EXPOSED",
)


def folder_sha256(folder: Path) -> str:
    """One hash over the names and hashes of all weight and configuration files of a folder."""
    names = sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".json"})
    lines = [f"{path.name} {sha256_hex(path.read_bytes())}" for path in names]
    return sha256_hex("\n".join(lines).encode())


class TransformersNudity:
    """An image classification model in transformers' layout, such as Falconsai/nsfw_image_detection.

    Setting MODERATION_TRANSFORMERS: folder (safetensors only), unsafe (labels that count).
    """

    name = "transformers-nudity"

    def __init__(self) -> None:
        found: Mapping[str, Any] = getattr(settings, "MODERATION_TRANSFORMERS", {}) or {}
        folder = Path(found.get("folder", ""))
        if not found.get("folder") or not folder.is_dir():
            raise ClassifierBroken("transformers-nudity needs MODERATION_TRANSFORMERS['folder']")
        transformers, self._torch = import_module("transformers"), import_module("torch")
        self._processor = transformers.AutoImageProcessor.from_pretrained(
            folder, local_files_only=True
        )
        self._model = transformers.AutoModelForImageClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        ).eval()
        self._unsafe = set(found.get("unsafe", ("nsfw",)))
        if not self._unsafe <= set(self._model.config.label2id):
            raise ClassifierBroken(f"the model in {folder.name} lacks {sorted(self._unsafe)}")
        self.version = str(found.get("version", folder.name))
        self.weights_sha256 = folder_sha256(folder)

    def read_image(self, pixels: Pixels, *, sha256: str) -> Reading:
        """The probability that the picture is one of the unsafe labels."""
        inputs = self._processor(images=Image.fromarray(pixels), return_tensors="pt")
        with self._torch.inference_mode():
            shares = self._model(**inputs).logits.softmax(dim=-1)[0].tolist()
        names = self._model.config.id2label
        score = sum(share for place, share in enumerate(shares) if names[place] in self._unsafe)
        return Reading(subject_sha256=sha256, scores={"nudity": min(1.0, score)})

    def self_test(self) -> str:
        """The same picture must score the same twice, finite."""
        return _same_twice(self)


class OpenClipConcepts:
    """Concept scores of an open_clip model with weights from a folder.

    Setting MODERATION_OPEN_CLIP: architecture, folder (model.safetensors), concepts {label: text}, against
    (texts of harmless pictures). A label's score is its softmax share against the harmless texts.
    """

    name = "open-clip-concepts"

    def __init__(self) -> None:
        found: Mapping[str, Any] = getattr(settings, "MODERATION_OPEN_CLIP", {}) or {}
        folder = Path(found.get("folder", ""))
        if not found.get("folder") or not folder.is_dir():
            raise ClassifierBroken("open-clip-concepts needs MODERATION_OPEN_CLIP['folder']")
        self._torch, clip = import_module("torch"), import_module("open_clip")
        weights = str(folder / "model.safetensors")
        self._model, _, self._prepare = clip.create_model_and_transforms(
            found["architecture"], pretrained=weights
        )
        self._model.eval()
        tokens = clip.get_tokenizer(found["architecture"])
        self._labels = tuple(found["concepts"])
        texts = [*found["concepts"].values(), *found["against"]]
        with self._torch.inference_mode():
            self._texts = self._model.encode_text(tokens(texts), normalize=True)
        self.version = str(found.get("version", found["architecture"]))
        self.weights_sha256 = folder_sha256(folder)

    def read_image(self, pixels: Pixels, *, sha256: str) -> Reading:
        """Each concept's share against the harmless texts."""
        with self._torch.inference_mode():
            picture = self._prepare(Image.fromarray(pixels)).unsqueeze(0)
            logits = 100 * self._model.encode_image(picture, normalize=True) @ self._texts.T
        row = logits[0].double().numpy()
        harmless = np.exp(row[len(self._labels) :] - row.max()).sum()
        shares = np.exp(row[: len(self._labels)] - row.max())
        scores = {
            label: float(share / (share + harmless))
            for label, share in zip(self._labels, shares, strict=True)
        }
        return Reading(subject_sha256=sha256, scores=scores)

    def self_test(self) -> str:
        """The same picture must score the same twice, finite."""
        return _same_twice(self)


class NudeNetProcess:
    """NudeNet (AGPL-3.0) in a process of its own, never in ours: one JSON line there, one back.

    Setting MODERATION_NUDENET: command (a program that reads {"id", "jpeg"} lines and answers
    {"id", "boxes": [{"class", "score"}]}), version.
    """

    name = "nudenet"

    def __init__(self) -> None:
        found: Mapping[str, Any] = getattr(settings, "MODERATION_NUDENET", {}) or {}
        if not found.get("command"):
            raise ClassifierBroken("nudenet needs MODERATION_NUDENET['command']")
        self._command = list(found["command"])
        self.version = str(found.get("version", "unversioned"))
        self.weights_sha256 = sha256_hex(f"{self.name}@{self.version}".encode())
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._asked = 0

    def read_image(self, pixels: Pixels, *, sha256: str) -> Reading:
        """The highest score of a bare part. Raises when the process answers another question."""
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
        with self._lock:
            reply = self._exchange(base64.b64encode(buffer.getvalue()).decode())
        bare = [box["score"] for box in reply["boxes"] if box["class"] in NUDENET_EXPOSED]
        return Reading(subject_sha256=sha256, scores={"nudity": max(bare, default=0.0)})

    def self_test(self) -> str:
        """The same picture must score the same twice, finite."""
        return _same_twice(self)

    def _exchange(self, jpeg: str) -> Mapping[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(  # noqa: S603 (the operator's own command)
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._asked += 1
        self._process.stdin.write(json.dumps({"id": self._asked, "jpeg": jpeg}) + "\n")
        self._process.stdin.flush()
        reply: dict[str, Any] = json.loads(self._process.stdout.readline())
        if reply.get("id") != self._asked:
            self._process.kill()
            raise ClassifierBroken("nudenet answered another question")
        return reply


def _same_twice(classifier: Any) -> str:
    picture = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (1, 64, 3))
    first, second = (dict(classifier.read_image(picture, sha256="").scores) for _ in range(2))
    if first != second or not all(np.isfinite(score) for score in first.values()):
        raise ClassifierBroken(f"{classifier.name} does not answer the same picture alike")
    return "one picture scores alike twice"
