"""Advisory file locks: the kernel drops them with the process, so none is ever stale."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.05


class FileLock:
    """One open handle on a lock file; shared or exclusive."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a")

    def try_exclusive(self) -> bool:
        """Take the lock alone, or say False at once. Turns a shared lock into an exclusive one."""
        return self._try(fcntl.LOCK_EX)

    def wait_exclusive(self, *, seconds: float) -> bool:
        """Take the lock alone, waiting at most ``seconds``; False when somebody kept it."""
        deadline = time.monotonic() + seconds
        while not self.try_exclusive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def share(self) -> None:
        """Take the lock together with others; waits while somebody holds it alone."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        """Give the lock up."""
        self._file.close()

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def mutex(path: Path) -> Iterator[None]:
    """Hold the lock file alone for the block; waits for as long as it takes."""
    lock = FileLock(path)
    try:
        fcntl.flock(lock._file, fcntl.LOCK_EX)  # noqa: SLF001 (same module)
        yield
    finally:
        lock.close()


def is_held(path: Path) -> bool:
    """Whether another process holds this lock now."""
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        return not lock.try_exclusive()
    finally:
        lock.close()
