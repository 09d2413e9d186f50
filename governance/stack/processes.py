"""Starting, recognising and stopping processes."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import psutil

PR_SET_PDEATHSIG = 1
SAME_START_S = 1.0


@dataclass(frozen=True)
class Fate:
    """How a process is tied to the one that starts it.

    ``when_parent_dies``: the signal that the kernel sends then (Linux); None leaves it running.
    ``group``: None a session of its own, so that Ctrl-C does not reach it; 0 leads a new process
    group; else joins that one.
    """

    when_parent_dies: signal.Signals | None
    group: int | None = None


def start(
    command: Sequence[str],
    *,
    log: Path,
    fate: Fate,
    environment: Mapping[str, str] | None = None,
    user: int | None = None,
    folder: Path = Path("/"),
    output: int | None = None,
) -> "subprocess.Popen[bytes]":
    """Start ``command``; its output is appended to ``log`` (standard output to ``output`` if given)."""
    with log.open("ab") as sink:
        return subprocess.Popen(  # noqa: S603 (commands are ours)
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink if output is None else output,
            stderr=sink,
            cwd=folder,
            env=environment,
            preexec_fn=leash(fate.when_parent_dies),  # noqa: PLW1509 (no thread runs here)
            start_new_session=fate.group is None,
            process_group=fate.group,
            **identity(user),
        )


class Identity(TypedDict, total=False):
    """Popen's arguments to run as another user."""

    user: int
    group: int
    extra_groups: list[int]


def identity(user: int | None) -> Identity:
    """Run as another user with no further groups; empty for our own."""
    return {} if user is None else {"user": user, "group": user_group(user), "extra_groups": []}


def user_group(user: int) -> int:
    """The primary group of a system user."""
    import pwd  # noqa: PLC0415 (absent outside POSIX)

    return pwd.getpwuid(user).pw_gid


def leash(deadly: signal.Signals | None) -> Callable[[], None] | None:
    """What the child does before it becomes the command: ask to be told when its parent dies."""
    if deadly is None or sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(deadly))
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return ask


@dataclass(frozen=True)
class Footprint:
    """A process as remembered on disk: its number may be given to another one later."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Footprint":
        """Remember a running process; raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    def is_alive(self) -> bool:
        """Whether that same process still runs (a zombie does not)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(float(process.create_time()) - self.started) < SAME_START_S
            return same and str(process.status()) != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def stop(footprint: Footprint, *, signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn and wait its seconds until the process is gone."""
    for wish, seconds in signals:
        if not footprint.is_alive():
            return
        try:
            os.kill(footprint.pid, wish)
        except ProcessLookupError:
            return
        await_end(footprint, seconds=seconds)


def await_end(footprint: Footprint, *, seconds: float) -> bool:
    """Wait until the process is gone, at most ``seconds``."""
    deadline = time.monotonic() + seconds
    while footprint.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def last_line(log: Path, *, containing: Sequence[str] = ("",)) -> str:
    """The last line of a log that contains one of the words; empty when there is none."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-200:]
    except FileNotFoundError:
        return ""
    return next(
        (line.strip() for line in reversed(lines) if line and any(w in line for w in containing)),
        "",
    )
