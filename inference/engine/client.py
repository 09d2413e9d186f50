"""The supervisor's side of one engine: start it, give it a job, watch it, kill it."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

from inference.engine.protocol import GenerateCommand, Ready, Refused, Released, receive, send

logger = logging.getLogger(__name__)

Frame = tuple[str, dict[str, Any], bytes]
START_TIMEOUT_S = 600.0
POLL_S = 0.25
CANCEL_CHECK_S = 0.5


class EngineLost(Exception):
    """The engine process ended or had to be killed; the job may be tried again by the next one."""


class EngineNotReady(Exception):
    """The engine did not start: the message says why (missing weights, a failed canary)."""


@dataclass
class Outcome:
    """How one attempt ended: images that may leave, images that may not."""

    released: list[Released] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    cancelled: bool = False
    seconds: float = 0.0


class Engine(Protocol):
    """What the supervisor needs of an engine."""

    def generate(
        self,
        command: GenerateCommand,
        *,
        on_step: Callable[[int, int], None],
        should_cancel: Callable[[], bool],
        stuck_after_s: float,
    ) -> Outcome:
        """Make the images. Raises EngineLost; calls ``on_step(step, steps)`` as it goes."""
        ...


class Watch:
    """The clock of one attempt: when to ask about cancellation, when to give the engine up."""

    def __init__(
        self, job_id: str, should_cancel: Callable[[], bool], stuck_after_s: float
    ) -> None:
        self.job_id = job_id
        self.should_cancel = should_cancel
        self.stuck_after_s = stuck_after_s
        self.started = self.last_sign = self.last_check = time.monotonic()

    def wants_cancel(self) -> bool:
        """Asks twice a second whether the job is still wanted."""
        current = time.monotonic()
        if current - self.last_check < CANCEL_CHECK_S:
            return False
        self.last_check = current
        return self.should_cancel()

    def saw_life(self) -> None:
        """A frame has arrived."""
        self.last_sign = time.monotonic()

    def is_stuck(self) -> bool:
        """No frame for longer than any step takes."""
        return time.monotonic() - self.last_sign > self.stuck_after_s

    @property
    def seconds(self) -> float:
        """Since the attempt began."""
        return time.monotonic() - self.started


class EngineProcess:
    """One spawned engine process. Not thread-safe: one supervisor thread owns it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: Connection | None = None
        self.ready: Ready | None = None

    def start(
        self, *, on_progress: Callable[[str], None], timeout_s: float = START_TIMEOUT_S
    ) -> Ready:
        """Spawn the engine and wait until its model is loaded and its classifiers have passed.

        Raises EngineNotReady with the engine's own words.
        """
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            [sys.executable, "-m", "inference.engine.process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={
                # Threads that spin while they wait starve the neighbours on a small machine.
                "OMP_WAIT_POLICY": "PASSIVE",
                **os.environ,
                "LICET_SUPERVISOR_PID": str(os.getpid()),
            },
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            frame = self._next_frame()
            if frame is None:
                continue
            kind, header, _ = frame
            if kind == "loading":
                on_progress(header["detail"])
            elif kind == "ready":
                self.ready = Ready(**header)
                return self.ready
            elif kind == "not_ready":
                self.kill()
                raise EngineNotReady(header["detail"])
        self.kill()
        raise EngineNotReady(f"the engine was not ready within {timeout_s:.0f} s")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def generate(
        self,
        command: GenerateCommand,
        *,
        on_step: Callable[[int, int], None],
        should_cancel: Callable[[], bool],
        stuck_after_s: float,
    ) -> Outcome:
        """Run one attempt. Raises EngineLost when the process dies or shows no sign of life.

        ``should_cancel`` is asked about twice a second; the engine stops within one step.
        """
        self._say("generate", asdict(command))
        watch = Watch(command.job_id, should_cancel, stuck_after_s)
        outcome = Outcome()
        while True:
            frame = self._next_frame_or_lost()
            if watch.wants_cancel():
                self._say("cancel", {"job_id": command.job_id})
            if frame is None:
                if watch.is_stuck():
                    self.kill()
                    raise EngineLost(f"the engine showed no step for {stuck_after_s:.0f} s")
                continue
            watch.saw_life()
            kind, header, payload = frame
            if kind == "step":
                on_step(header["step"], header["steps"])
            elif kind == "done":
                outcome.seconds = watch.seconds
                outcome.cancelled = header["cancelled"]
                return outcome
            else:
                collect(outcome, kind, header, payload)

    def kill(self) -> None:
        """End the process at once; harmless when it has ended."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _say(self, kind: str, header: dict[str, Any]) -> None:
        if self.connection is None:
            raise EngineLost("the engine process is gone")
        try:
            send(self.connection, kind, header)
        except OSError as error:
            self.kill()
            raise EngineLost("the engine process is gone") from error

    def _next_frame_or_lost(self) -> Frame | None:
        try:
            return self._next_frame()
        except EngineNotReady as error:
            raise EngineLost(str(error)) from error

    def _next_frame(self) -> Frame | None:
        assert self.connection is not None
        try:
            if not self.connection.poll(POLL_S):
                return None
            return receive(self.connection)
        except (EOFError, OSError) as error:
            code = self.process.wait() if self.process is not None else None
            self.kill()
            raise EngineNotReady(f"the engine process ended (exit status {code})") from error


def collect(outcome: Outcome, kind: str, header: dict[str, Any], payload: bytes) -> None:
    """Add a ``released`` or ``refused`` frame to ``outcome``; anything else is a bug."""
    verdicts = tuple(header.pop("verdicts", ()))
    if kind == "released":
        outcome.released.append(Released(data=payload, verdicts=verdicts, **header))
    elif kind == "refused":
        outcome.refused.append(Refused(verdicts=verdicts, **header))
    else:
        raise AssertionError(f"the engine said {kind!r}, which is not in the protocol")
