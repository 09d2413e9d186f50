"""Calls with a time limit: a classifier that hangs is a refusal, not a wait."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_STUCK = 16
_stuck: set[threading.Thread] = set()
_stuck_lock = threading.Lock()


class TooLate(Exception):
    """No answer within the limit."""


class Stopped(Exception):
    """The call raised SystemExit or KeyboardInterrupt, which stop only what asked for it."""


class _Call(threading.Thread, Generic[T]):
    """One call in a daemon thread; an answer after the limit is dropped with the thread."""

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(daemon=True, name="gate-classifier")
        self.call = call
        self.answer: T | None = None
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Called by the thread itself."""
        try:
            self.answer = self.call()
        except BaseException as failure:  # noqa: BLE001 (every failure is carried to the caller)
            self.failure = failure


def within(seconds: float, call: Callable[[], T]) -> T:
    """What ``call`` returns or raises, if it does so within ``seconds``. Raises TooLate.

    A thread cannot be killed: those that hang are counted, and when MOST_STUCK hang at once no
    further call is begun, so that a broken classifier cannot eat the process.
    """
    with _stuck_lock:
        _stuck.difference_update({thread for thread in _stuck if not thread.is_alive()})
        if len(_stuck) >= MOST_STUCK:
            raise TooLate(f"{len(_stuck)} earlier calls have not come back")
    thread = _Call(call)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        with _stuck_lock:
            _stuck.add(thread)
        raise TooLate(f"no answer within {seconds:g} s")
    if isinstance(thread.failure, Exception):
        raise thread.failure
    if thread.failure is not None:
        raise Stopped(f"it tried to stop the process: {thread.failure!r}")
    return thread.answer  # type: ignore[return-value]
