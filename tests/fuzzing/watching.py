"""One input under watch: what it raises, how long it takes, how much memory it claims."""

import resource
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from tests.fuzzing.target import Runs, Target

MIB = 1 << 20
KIB = 1 << 10


class TooSlow(BaseException):
    """The input used up its processor time. No Exception, so that no parser catches it."""


@dataclass(frozen=True)
class Finding:
    """What a parser did with an input and must not do."""

    target: str
    kind: str
    detail: str
    data: bytes


def too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlow


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Processor time, not time of day: a busy machine makes no findings."""
    before = signal.signal(signal.SIGPROF, too_slow)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


def watch(target: Target, run: Runs, data: bytes) -> tuple[bool, Finding | None]:
    """Whether ``data`` was accepted, and the finding if it is one."""
    had, began = peak_bytes(), time.process_time()
    accepted, failure = False, None
    try:
        with limited(target.seconds), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run(data)
            accepted = True
    except target.refusals:
        pass
    except TooSlow as slow:
        failure = Finding(target.name, "TooSlow", where(slow), data)
    except Exception as error:  # noqa: BLE001 (it is what is looked for)
        failure = Finding(target.name, type(error).__name__, f"{error}"[:200] + where(error), data)
    if failure is None and time.process_time() - began > target.seconds:
        failure = Finding(target.name, "TooSlow", "", data)
    if failure is None and peak_bytes() - had > target.memory_mib * MIB:
        failure = Finding(target.name, "TooMuchMemory", f"{(peak_bytes() - had) >> 20} MiB", data)
    return accepted, failure


def where(error: BaseException) -> str:
    """The last of our own lines that it came through, and the last line of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "site-packages" not in frame.filename][-1:]
    return "".join(f" at {frame.filename}:{frame.lineno}" for frame in [*ours, *frames[-1:]])
