"""One attempt at a job as its engine tells it, and what every engine promises."""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from inference.engine.protocol import (
    GenerateCommand,
    Preview,
    Refused,
    Released,
)

Frame = tuple[str, dict[str, Any], bytes]


class EngineLost(Exception):
    """The engine process ended or had to be killed; the job may be tried again by the next one.

    ``begun``: whether the job was being drawn by then, so that it may have been the cause.
    """

    def __init__(self, reason: str, *, begun: bool = True) -> None:
        super().__init__(reason)
        self.begun = begun


class EngineNotReady(Exception):
    """The engine did not start: the message says why (missing weights, a failed canary)."""


@dataclass
class Outcome:
    """How one attempt ended: images that may leave, images that may not."""

    released: list[Released] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    cancelled: bool = False
    seconds: float = 0.0
    # What the gate said of the previews that were shown: for the decisions log.
    preview_verdicts: tuple[dict[str, Any], ...] = ()


def ignore_preview(_preview: Preview) -> None:
    """Nobody watches."""


class Engine(Protocol):
    """What the supervisor needs of an engine."""

    def generate(
        self,
        command: GenerateCommand,
        *,
        on_step: Callable[[int, int], None],
        should_cancel: Callable[[], bool],
        stuck_after_s: float,
        on_preview: Callable[[Preview], None] = ignore_preview,
    ) -> Outcome:
        """Make the images. Raises EngineLost; calls ``on_step(step, steps)`` as it goes."""
        ...

    def expand(self, ticket: str, prompt: str, *, stuck_after_s: float) -> str:
        """The prompt as the engine's expander would have it. Raises EngineLost."""
        ...


class Attempt:
    """What one attempt has said so far."""

    def __init__(
        self,
        ticket: str,
        on_step: Callable[[int, int], None],
        on_preview: Callable[[Preview], None],
    ) -> None:
        self.ticket = ticket
        self.frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self.outcome = Outcome()
        self.begun = self.ended = False
        self._on_step, self._on_preview = on_step, on_preview
        self._started = time.monotonic()

    def take(self, kind: str, header: dict[str, Any], payload: bytes) -> None:
        """One frame; a kind that is not in the protocol is a bug."""
        verdicts = tuple(header.pop("verdicts", ()))
        if kind == "begun":
            self.begun = True
        elif kind == "step":
            self._on_step(header["step"], header["steps"])
        elif kind == "preview":
            self.outcome.preview_verdicts += verdicts
            self._on_preview(Preview(data=payload, verdicts=verdicts, **header))
        elif kind == "released":
            self.outcome.released.append(Released(data=payload, verdicts=verdicts, **header))
        elif kind == "refused":
            self.outcome.refused.append(Refused(verdicts=verdicts, **header))
        else:
            assert kind == "done", f"the engine said {kind!r}, which is not in the protocol"
            self.outcome.seconds = time.monotonic() - self._started
            self.outcome.cancelled = header["cancelled"]
            self.ended = True
