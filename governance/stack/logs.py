"""Showing the warnings of the children while their whole output goes to files."""

import re
from pathlib import Path

from governance.stack.progress import say

ALARMING = re.compile(rb"\b(WARNING|ERROR|CRITICAL|FATAL)\b")
ROTATE_BYTES = 10_000_000
LINES_AT_ONCE = 20


class LogWatch:
    """Follows one log file and repeats its warnings and errors, prefixed with the child's name."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        rotate(log)
        self._position = log.stat().st_size if log.exists() else 0
        self._rest = b""

    def show_new(self) -> None:
        """Print what was alarming since the last look, at most a screenful."""
        try:
            with self.log.open("rb") as file:
                file.seek(self._position)
                fresh = file.read()
        except FileNotFoundError:
            return
        self._position += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        alarming = [line for line in lines if ALARMING.search(line)]
        for line in alarming[:LINES_AT_ONCE]:
            say(f"{self.name:>7} | {line.decode(errors='replace')}")
        if len(alarming) > LINES_AT_ONCE:
            say(f"{self.name:>7} | ... {len(alarming) - LINES_AT_ONCE} more in {self.log}")


def rotate(log: Path) -> None:
    """Keep one older file once a log is large."""
    if log.exists() and log.stat().st_size > ROTATE_BYTES:
        log.replace(log.with_suffix(".log.1"))
