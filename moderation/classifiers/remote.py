"""Classifiers of other houses over HTTP: OpenAI, Azure AI Content Safety, Hive.

Chosen by setting and pinned by the policy like those that run here; they have no weights that we could
hash, so their ``weights_sha256`` is the hash of service and model version. A reply that lacks a label,
or is none, raises: the gate then refuses.
"""

import base64
import io
import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from django.conf import settings
from PIL import Image

from governance.kernel.canonical import sha256_hex
from moderation.classifiers.protocols import ClassifierBroken, Pixels
from moderation.kernel.verdicts import Reading

TIMEOUT_S = 10.0
LARGEST_SIDE = 1024
AZURE_MOST_SEVERE = 6
Transport = Callable[[urllib.request.Request, float], bytes]


def over_https(request: urllib.request.Request, timeout: float) -> bytes:
    """The body of the reply. Raises URLError, HTTPError (any status of 400 or more), TimeoutError."""
    if not request.full_url.startswith("https://"):
        raise ClassifierBroken("remote classifiers are asked over https only")
    with urllib.request.urlopen(request, timeout=timeout) as reply:  # noqa: S310 (https, see above)
        body: bytes = reply.read()
    return body


class RemoteClassifier:
    """What the three have in common: an address and a key from the settings, JSON there and back.

    ``map_labels`` names the policy's labels and the service's categories that make them up; a label's
    score is the highest of its categories.
    """

    name: ClassVar[str]
    service_version: ClassVar[str]
    setting: ClassVar[str]
    map_labels: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self, transport: Transport = over_https) -> None:
        found: Mapping[str, str] = getattr(settings, self.setting, {}) or {}
        if not found.get("key") or not found.get("url"):
            raise ClassifierBroken(f"{self.name} needs the setting {self.setting} (url, key)")
        self.version = found.get("version", self.service_version)
        self.weights_sha256 = sha256_hex(f"{self.name}@{self.version}".encode())
        self._url, self._key, self._transport = found["url"], found["key"], transport

    def self_test(self) -> str:
        """One harmless picture must be answered with every label, all below one half."""
        reading = self.read_image(_gray(), sha256="self-test")
        if max(reading.scores.values()) >= 0.5:  # noqa: PLR2004 (a gray square is harmless)
            raise ClassifierBroken(f"{self.name} objects to a plain gray picture")
        return "gray picture allowed"

    def read_image(self, pixels: Pixels, *, sha256: str) -> Reading:
        """The service's scores for a picture, at most 1024 px a side, sent as JPEG."""
        found = self._categories(self._ask(self._image_body(_jpeg(pixels))))
        scores = {
            label: max(found[category] for category in categories)
            for label, categories in self.map_labels.items()
        }
        return Reading(subject_sha256=sha256, scores=scores)

    def _ask(self, body: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310 (https is checked where it is sent)
            self._url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **self._headers()},
            method="POST",
        )
        return json.loads(self._transport(request, TIMEOUT_S))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}

    def _image_body(self, jpeg: bytes) -> Mapping[str, Any]:
        raise NotImplementedError

    def _categories(self, reply: Any) -> Mapping[str, float]:
        raise NotImplementedError


class OpenAiModeration(RemoteClassifier):
    """``POST /v1/moderations`` with a picture; also reads text."""

    name = "openai-moderation"
    service_version = "omni-moderation-latest"
    setting = "MODERATION_OPENAI"
    map_labels: ClassVar = {
        "sexual": ("sexual",),
        "minors": ("sexual/minors",),
        "violence": ("violence", "violence/graphic"),
        "self_harm": ("self-harm", "self-harm/intent", "self-harm/instructions"),
    }

    def read_text(self, text: str, *, sha256: str) -> Reading:
        """The service's scores for a text."""
        found = self._categories(self._ask({"model": self.version, "input": text}))
        scores = {
            label: max(found[category] for category in categories)
            for label, categories in self.map_labels.items()
        }
        return Reading(subject_sha256=sha256, scores=scores)

    def _image_body(self, jpeg: bytes) -> Mapping[str, Any]:
        address = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        return {
            "model": self.version,
            "input": [{"type": "image_url", "image_url": {"url": address}}],
        }

    def _categories(self, reply: Any) -> Mapping[str, float]:
        (result,) = reply["results"]
        scores: Mapping[str, float] = result["category_scores"]
        return scores


class AzureContentSafety(RemoteClassifier):
    """``POST /contentsafety/image:analyze``: severities 0, 2, 4, 6 as shares of 6."""

    name = "azure-content-safety"
    service_version = "2024-09-01"
    setting = "MODERATION_AZURE"
    map_labels: ClassVar = {
        "sexual": ("Sexual",),
        "violence": ("Violence",),
        "hate": ("Hate",),
        "self_harm": ("SelfHarm",),
    }

    def _headers(self) -> dict[str, str]:
        return {"Ocp-Apim-Subscription-Key": self._key}

    def _image_body(self, jpeg: bytes) -> Mapping[str, Any]:
        return {"image": {"content": base64.b64encode(jpeg).decode()}}

    def _categories(self, reply: Any) -> Mapping[str, float]:
        return {
            each["category"]: each["severity"] / AZURE_MOST_SEVERE
            for each in reply["categoriesAnalysis"]
        }


class Hive(RemoteClassifier):
    """``POST /api/v2/task/sync``: a score for each class of the visual moderation model."""

    name = "hive-visual"
    service_version = "v2"
    setting = "MODERATION_HIVE"
    map_labels: ClassVar = {
        "sexual": ("general_nsfw",),
        "violence": ("very_bloody", "human_corpse"),
        "hate": ("yes_nazi", "yes_kkk", "yes_terrorist"),
        "weapons": ("gun_in_hand",),
    }

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self._key}"}

    def _image_body(self, jpeg: bytes) -> Mapping[str, Any]:
        return {"image": {"content": base64.b64encode(jpeg).decode()}}

    def _categories(self, reply: Any) -> Mapping[str, float]:
        (task,) = reply["status"]
        (frame,) = task["response"]["output"]
        return {each["class"]: each["score"] for each in frame["classes"]}


def _jpeg(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _gray() -> Pixels:
    image = Image.new("RGB", (64, 64), (128, 128, 128))
    image.putpixel((0, 0), (120, 120, 120))
    return np.asarray(image)
