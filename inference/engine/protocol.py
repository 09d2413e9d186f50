"""What the supervisor and the engine process say to each other.

Frames of one JSON header, a newline and a payload; each names its attempt by a ticket, for several are
under way, and one of a job that was given up may still draw when the next begins.
Two messages end an image: ``released`` with bytes and the gate's receipt, and ``refused`` with a
reason. A ``preview`` on the way carries the same gate's receipt. Latents, tensors and embeddings are
not in the protocol, so nothing unscreened can leave the engine. ``expand`` is answered by ``expanded``
with words, which come back as a screened prompt or not at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

# Previews are released at places of their own, so that their receipts can never stand for an image.
FIRST_PREVIEW, PREVIEWS_PER_IMAGE = 1000, 10


def preview_place(index: int, partial: int) -> int:
    """The place that the receipt of preview ``partial`` of image ``index`` names."""
    return FIRST_PREVIEW + index * PREVIEWS_PER_IMAGE + partial


class Cancelled(Exception):
    """Nobody wants the drawing any more; noticed between two steps."""


@dataclass(frozen=True)
class AdapterUse:
    """An adapter on a job: where its file is, its SHA-256, and how strongly it is applied."""

    id: str
    sha256: str
    blob: str
    strength: float


@dataclass(frozen=True)
class Expanded:
    """A prompt as the engine's expander would have it; the gate has yet to read it."""

    text: str


@dataclass(frozen=True)
class StyleUse:
    """A style reference on a job: whose it is, where its file is, its SHA-256, its strength, 0 to 1."""

    id: str
    organization: str
    sha256: str
    blob: str
    strength: float


@dataclass(frozen=True)
class GenerateCommand:
    """One attempt at one job. Sizes in px; image i of n uses ``seed + i``.

    ``alone``: draw it in no batch with other jobs, because an engine has ended on it before.
    ``weights`` name what draws it, for the content credentials: name, kind and SHA-256 of each part.
    """

    job_id: str
    attempt: int
    prompt: str
    prompt_receipt: dict[str, Any]
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    images: int
    output_format: str
    # 0 to 100 for webp and jpeg; None: the encoder's own.
    output_compression: int | None = None
    # How many previews each image may show on its way, 0 to 3.
    partial_images: int = 0
    adapters: tuple[AdapterUse, ...] = ()
    style_references: tuple[StyleUse, ...] = ()
    # The share of the steps, the last ones, that are drawn without the references.
    style_variation: float = 0.0
    alone: bool = False
    weights: Sequence[dict[str, str]] = ()
    # A test key's job: a labelled picture instead of the model's, through the same gate.
    test_mode: bool = False
    # For logs and traces only: whose request this is, and the attempt's span.
    request_id: str = ""
    organization_id: str = ""
    traceparent: str = ""

    @classmethod
    def from_frame(cls, header: dict[str, Any]) -> "GenerateCommand":
        """The order in a frame's header."""
        adapters = tuple(AdapterUse(**each) for each in header.pop("adapters", ()))
        references = tuple(StyleUse(**each) for each in header.pop("style_references", ()))
        return cls(**header, adapters=adapters, style_references=references)

    @property
    def adapters_key(self) -> str:
        """Names this combination of adapters and strengths; empty without any."""
        return ",".join(f"{each.sha256}@{each.strength:g}" for each in self.adapters)

    @property
    def style_key(self) -> str:
        """Names this combination of references; only equal ones are drawn in one batch."""
        uses = [
            f"{each.organization}/{each.sha256}@{each.strength:g}" for each in self.style_references
        ]
        return ",".join([*uses, f"{self.style_variation:g}"]) if uses else ""

    @property
    def ticket(self) -> str:
        """Names this attempt in every frame: what an earlier one still says is not for this one."""
        return f"{self.job_id}/{self.attempt}"

    @property
    def job(self) -> UUID:
        """The job's id as a UUID."""
        return UUID(self.job_id)


@dataclass(frozen=True)
class Ready:
    """The engine has loaded its model and its classifiers have passed their canaries."""

    model: str
    device: str
    gate: str
    self_test_s: float
    weights_sha256: str = ""


@dataclass(frozen=True)
class Released:
    """One image that may leave, with the receipt that says so."""

    index: int
    data: bytes
    receipt: dict[str, Any]
    width: int
    height: int
    verdicts: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Preview:
    """What an image will probably become, allowed by the output gate; ``partial`` counts from 0."""

    index: int
    partial: int
    data: bytes
    receipt: dict[str, Any]
    verdicts: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Refused:
    """One image that may not leave, or a whole job that could not be made (``index`` None)."""

    index: int | None
    code: str
    detail: str
    facts: dict[str, Any] = field(default_factory=dict)
    verdicts: tuple[dict[str, Any], ...] = ()


def send(connection: Connection, kind: str, header: dict[str, Any], payload: bytes = b"") -> None:
    """Write one frame. Raises OSError when the other side is gone."""
    head = json.dumps({"kind": kind, **header}, separators=(",", ":"), allow_nan=False)
    connection.send_bytes(head.encode() + b"\n" + payload)


def receive(connection: Connection) -> tuple[str, dict[str, Any], bytes]:
    """Read one frame: kind, header, payload. Raises EOFError when the other side is gone."""
    head, _, payload = connection.recv_bytes().partition(b"\n")
    header: dict[str, Any] = json.loads(head)
    return header.pop("kind"), header, payload
