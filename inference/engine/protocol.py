"""What the supervisor and the engine process say to each other.

Frames of one JSON header, a newline and a payload. Two messages end an image: ``released`` with
bytes and the gate's receipt, and ``refused`` with a reason. Latents, tensors and embeddings are not
in the protocol, so nothing unscreened can leave the engine.
"""

import json
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class GenerateCommand:
    """One attempt at one job. Sizes in px; image i of n uses ``seed + i``."""

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
