"""Which images are drawn together: equal size, steps and guidance, up to a budget of tokens."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inference.engine.jobs import Job

MIXED_TEXT_UP_TO_TOKENS = 1024
"""Texts of different length need an attention mask; only small pictures gain more than it costs."""


@dataclass(frozen=True)
class Part:
    """The images of one job that a batch draws: ``count`` of them from ``first`` on."""

    job: Job
    first: int
    count: int


def fits(first: Job, other: Job, image_tokens: int) -> bool:
    """Whether ``other`` may share a batch with ``first``."""
    if first.command.alone or other.command.alone or first.kind != other.kind:
        return False
    return first.text.tokens == other.text.tokens or image_tokens <= MIXED_TEXT_UP_TO_TOKENS


class Shelf:
    """Prepared jobs, oldest first, between the thread that prepares and the one that draws."""

    def __init__(self, *, tokens: int, image_tokens: Callable[[int, int], int]) -> None:
        self.budget = tokens
        self.image_tokens = image_tokens
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, job: Job) -> None:
        """A job is ready to be drawn."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify_all()

    def close(self) -> None:
        """No more jobs: ``take`` returns None when the shelf is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> Sequence[Part] | None:
        """The next batch; waits for one. None once the shelf is closed and empty."""
        with self._changed:
            while not self._jobs:
                if self._closed:
                    return None
                self._changed.wait()
            return self._pick()

    def _pick(self) -> list[Part]:
        first = self._jobs[0]
        tokens = self.image_tokens(first.command.width, first.command.height)
        room = max(1, self.budget // (tokens + first.text.tokens))
        parts: list[Part] = []
        for job in list(self._jobs):
            if room == 0:
                break
            if job is not first and not fits(first, job, tokens):
                continue
            count = min(room, job.undrawn)
            parts.append(Part(job, job.take(count), count))
            room -= count
            if job.undrawn == 0:
                self._jobs.remove(job)
        return parts
