"""The supervisor's side of one engine: start it, give it a job, watch it, kill it."""

import contextlib
import logging
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from inference.engine.attempts import (
    Attempt,
    EngineLost,
    EngineNotReady,
    Frame,
    Outcome,
    ignore_preview,
)
from inference.engine.protocol import (
    Expanded,
    GenerateCommand,
    Preview,
    Ready,
    receive,
    send,
)
from inference.engine.spawning import Spawned, spawn

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 600.0
POLL_S = 0.1


class EngineProcess:
    """One spawned engine process. Several threads may have a job in it at once.

    A thread reads all frames and hands each to its job's waiter; the time since the last frame of any
    job is the watchdog's clock, for a job may wait in the engine behind another.
    """

    def __init__(self, model: str = "", gpu: str = "", *, spawned: Spawned | None = None) -> None:
        self.model = model
        self.gpu = gpu
        # A process that loads already; the first start takes it instead of spawning another.
        self.spawned = spawned
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: Connection | None = None
        self.ready: Ready | None = None
        self.last_sign = time.monotonic()
        # Why we ended it on purpose; then no job in it is to blame.
        self.dismissed = ""
        self._waiting: dict[str, queue.SimpleQueue[Frame | None]] = {}
        self._lock = threading.Lock()

    def start(
        self, *, on_progress: Callable[[str], None], timeout_s: float = START_TIMEOUT_S
    ) -> Ready:
        """Spawn the engine and wait until its model is loaded and its classifiers have passed.

        Raises EngineNotReady with the engine's own words. What ``on_progress`` raises ends the engine.
        """
        self.process, connection = self.spawned or spawn(self.model, self.gpu)
        self.spawned, self.ready = None, None
        self.connection = connection
        try:
            return self._await_ready(connection, on_progress, timeout_s)
        except BaseException:
            # One that loads on with nobody listening would be taken for ready, and stand still.
            self.kill()
            raise

    def _await_ready(
        self, connection: Connection, on_progress: Callable[[str], None], timeout_s: float
    ) -> Ready:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not self.dismissed:
            try:
                if not connection.poll(POLL_S):
                    continue
                kind, header, _ = receive(connection)
            except (EOFError, OSError) as error:
                raise EngineNotReady(self._last_words()) from error
            if kind == "loading":
                on_progress(header["detail"])
            elif kind == "ready":
                self.ready = Ready(**header)
                self.last_sign = time.monotonic()
                threading.Thread(
                    target=self._read, args=(connection,), daemon=True, name="engine-frames"
                ).start()
                return self.ready
            elif kind == "not_ready":
                raise EngineNotReady(header["detail"])
        raise EngineNotReady(self.dismissed or f"not ready within {timeout_s:.0f} s")

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
        on_preview: Callable[[Preview], None] = ignore_preview,
    ) -> Outcome:
        """Run one attempt. Raises EngineLost when the process dies or shows no sign of life.

        ``should_cancel`` is asked ten times a second; the engine stops within one step. What a callback
        raises (the database is gone) ends the attempt in the engine too.
        """
        attempt = Attempt(command.ticket, on_step, on_preview)
        with self._lock:
            if not self._waiting:
                # An idle engine says nothing: its clock begins with the first job.
                self.last_sign = time.monotonic()
            self._waiting[command.ticket] = attempt.frames
        try:
            self._say("generate", asdict(command))
            self._follow(attempt, should_cancel, stuck_after_s)
        except EngineLost:
            raise
        except BaseException:
            self._give_up(attempt)
            raise
        finally:
            with self._lock:
                del self._waiting[command.ticket]
        return attempt.outcome

    def expand(self, ticket: str, prompt: str, *, stuck_after_s: float) -> str:
        """Ask the engine's expander; after ``stuck_after_s`` without an answer the prompt stays as it
        is. Raises EngineLost when the process dies.
        """
        name = f"expand/{ticket}"
        frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        with self._lock:
            if not self._waiting:
                self.last_sign = time.monotonic()
            self._waiting[name] = frames
        try:
            self._say("expand", {"ticket": name, "text": prompt})
            frame = frames.get(timeout=stuck_after_s)
        except queue.Empty:
            logger.warning("the prompt expander gave no answer; the prompt is drawn as it is")
            return prompt
        finally:
            with self._lock:
                del self._waiting[name]
        if frame is None:
            raise EngineLost(self._last_words(), begun=False)
        return Expanded(**frame[1]).text

    def _follow(self, attempt: "Attempt", should_cancel: Callable[[], bool], limit: float) -> None:
        asked = False
        while not attempt.ended:
            if not asked and should_cancel():
                self._say("cancel", {"ticket": attempt.ticket}, begun=attempt.begun)
                asked = True
            try:
                frame = attempt.frames.get(timeout=POLL_S)
            except queue.Empty:
                self._require_life(limit, begun=attempt.begun)
                continue
            if frame is None:
                raise self._lost(begun=attempt.begun)
            attempt.take(*frame)

    def _give_up(self, attempt: "Attempt") -> None:
        """Nobody follows the attempt any more: the engine need not draw it to its end."""
        with contextlib.suppress(EngineLost):
            self._say("cancel", {"ticket": attempt.ticket})

    def kill(self) -> None:
        """End the process at once; harmless when it has ended."""
        if self.spawned is not None:
            self.process, self.connection = self.spawned
            self.spawned = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def dismiss(self, reason: str) -> None:
        """End the process for good because its host goes: its jobs learn ``reason`` and lose no attempt."""
        self.dismissed = reason
        self.kill()

    def _lost(self, *, begun: bool) -> EngineLost:
        """What a job is told whose engine is gone."""
        if self.dismissed:
            return EngineLost(self.dismissed, begun=False)
        return EngineLost(self._last_words(), begun=begun)

    def _require_life(self, stuck_after_s: float, *, begun: bool) -> None:
        if time.monotonic() - self.last_sign > stuck_after_s:
            self.kill()
            raise EngineLost(f"the engine showed no step for {stuck_after_s:.0f} s", begun=begun)

    def _say(self, kind: str, header: dict[str, Any], *, begun: bool = False) -> None:
        try:
            with self._lock:
                if self.connection is None:
                    raise OSError("closed")  # noqa: TRY301 (one way out for both)
                send(self.connection, kind, header)
        except OSError as error:
            raise self._lost(begun=begun) from error

    def _read(self, connection: Connection) -> None:
        """Hand every frame to its job, until the process ends; then tell all who wait."""
        try:
            while True:
                kind, header, payload = receive(connection)
                self.last_sign = time.monotonic()
                with self._lock:
                    waiter = self._waiting.get(str(header.pop("ticket", "")))
                if waiter is not None:
                    waiter.put((kind, header, payload))
        except (EOFError, OSError):
            with self._lock:
                connection.close()
                if self.connection is connection:
                    self.connection = None
                for waiter in self._waiting.values():
                    waiter.put(None)

    def _last_words(self) -> str:
        code = self.process.wait() if self.process is not None else None
        return f"the engine process ended (exit status {code})"
