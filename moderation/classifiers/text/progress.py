"""A progress bar on standard error for commands that read thousands of lines."""

import sys
import time
from typing import TextIO


class Progress:
    """Counts steps to `total`; redraws at most ten times a second, on a terminal only each change."""

    def __init__(self, total: int, verb: str, stream: TextIO | None = None) -> None:
        self._total = total
        self._verb = verb
        self._stream = stream or sys.stderr
        self._count = 0
        self._begun = self._drawn = time.monotonic()

    def step(self) -> None:
        """One more is done."""
        self._count += 1
        now = time.monotonic()
        pause = 0.1 if self._stream.isatty() else 5.0
        if now - self._drawn >= pause:
            self._drawn = now
            self._draw("\r" if self._stream.isatty() else "\n")

    def done(self) -> None:
        """Draws the last state and ends the line."""
        self._draw("\n")

    def _draw(self, end: str) -> None:
        full = 24 * self._count // max(self._total, 1)
        rate = self._count / max(time.monotonic() - self._begun, 1e-6)
        bar = "#" * full + "." * (24 - full)
        self._stream.write(f"[{bar}] {self._count}/{self._total} {self._verb}, {rate:.0f}/s{end}")
        self._stream.flush()
