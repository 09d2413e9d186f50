"""Lines on standard error that say how far it got, with the seconds since the start."""

import sys
import time
from dataclasses import dataclass, field


@dataclass
class Progress:
    """A stopwatch that talks."""

    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def tell(self, text: str) -> None:
        """One line with the time."""
        say(f"{self.seconds():6.1f} s  {text}")


def say(text: str = "") -> None:
    """One line on standard error; a closed terminal is no reason to fail."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (BrokenPipeError, OSError):
        return
