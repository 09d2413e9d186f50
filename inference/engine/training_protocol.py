"""What the supervisor and a training process say to each other; frames as in ``engine.protocol``.

One process trains one adapter. Weights and checkpoints go through the blob store, named by their hash;
of pictures only samples come back, each with the gate's receipt.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True)
class TrainingPart:
    """One picture and its caption as the gate allowed them."""

    id: str
    blob: str
    sha256: str
    caption: str
    caption_receipt: dict[str, Any]
    picture_receipt: dict[str, Any]


@dataclass(frozen=True)
class StoredState:
    """Something the trainer put into the blob store: a checkpoint or the trained adapter."""

    step: int
    blob: str
    sha256: str


@dataclass(frozen=True)
class TrainCommand:
    """One attempt at one training. ``resolution`` in px a side; ``checkpoint``: where to go on from."""

    job_id: str
    organization_id: str
    attempt: int
    release_slug: str
    weights_sha256: str
    parts: tuple[TrainingPart, ...]
    sample_prompt: str
    sample_receipt: dict[str, Any]
    sample_steps: int
    guidance: float
    steps: int
    rank: int
    learning_rate: float
    resolution: int
    seed: int
    checkpoint_every: int
    sample_every: int
    checkpoint: StoredState | None = None

    @classmethod
    def from_frame(cls, header: dict[str, Any]) -> "TrainCommand":
        """The order in a frame's header."""
        checkpoint = header.pop("checkpoint", None)
        parts = tuple(TrainingPart(**each) for each in header.pop("parts"))
        return cls(
            **header, parts=parts, checkpoint=StoredState(**checkpoint) if checkpoint else None
        )

    @property
    def job(self) -> UUID:
        """The job's id as a UUID."""
        return UUID(self.job_id)

    def place(self, name: str) -> str:
        """The name of a blob of this attempt."""
        return f"{self.organization_id}/training/{self.job_id}/{self.attempt}-{name}"


@dataclass(frozen=True)
class Sample:
    """What the adapter drew after ``step``, allowed by the output gate, with its receipt."""

    step: int
    data: bytes
    receipt: dict[str, Any]
    width: int
    height: int
    verdicts: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class SampleRefused:
    """A sample that the gate withheld, and why."""

    step: int
    code: str
    detail: str
    verdicts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class TrainingRefused:
    """The training cannot be done: another attempt would end the same way."""

    code: str
    detail: str
    facts: dict[str, Any] = field(default_factory=dict)


class TrainingListener(Protocol):
    """Who is told how a training goes. What it raises ends the attempt."""

    def on_loading(self, detail: str) -> None:
        """The model is being loaded."""
        ...

    def on_step(self, step: int, loss: float) -> None:
        """A step was done."""
        ...

    def on_checkpoint(self, checkpoint: StoredState) -> None:
        """The training can go on from here."""
        ...

    def on_sample(self, sample: Sample) -> None:
        """The gate released a sample."""
        ...

    def on_sample_refused(self, refused: SampleRefused) -> None:
        """The gate withheld a sample."""
        ...
