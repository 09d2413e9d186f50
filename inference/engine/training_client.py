"""The supervisor's side of one training process: start it, follow it, hold it back, kill it."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from inference.engine.attempts import EngineLost, EngineNotReady
from inference.engine.protocol import receive, send
from inference.engine.spawning import spawn
from inference.engine.training_protocol import (
    Sample,
    SampleRefused,
    StoredState,
    TrainCommand,
    TrainingListener,
    TrainingRefused,
)

PROGRAM = "inference.engine.trainer"
POLL_S = 0.1
# A step, a sample's step and "waiting" are signs of life; loading a model of 26 GB is a long silence.
STUCK_AFTER_S = 600.0


class TrainingCancelled(Exception):
    """The training has stopped because it was asked to."""


class TrainerProcess:
    """Trains one adapter in a process of its own, which ends with it and gives all memory back."""

    def __init__(self, model: str, gpu: str = "") -> None:
        self.model, self.gpu = model, gpu
        self.process: subprocess.Popen[bytes] | None = None

    def train(
        self,
        command: TrainCommand,
        *,
        listener: TrainingListener,
        should_cancel: Callable[[], bool],
        may_run: Callable[[], bool],
        stuck_after_s: float = STUCK_AFTER_S,
    ) -> StoredState | TrainingRefused:
        """The trained adapter's file in the blob store, or why there will be none.

        Both questions are asked ten times a second; no step begins while ``may_run`` says no. Raises
        TrainingCancelled, EngineLost when the process died or showed no sign of life, EngineNotReady
        when it cannot load the model or its gate; what the listener raises passes through.
        """
        self.process, connection = spawn(self.model, self.gpu, program=PROGRAM)
        conversation = Conversation(connection, listener, should_cancel, may_run)
        try:
            send(connection, "train", asdict(command))
            return conversation.follow(stuck_after_s)
        except (EOFError, OSError) as error:
            raise EngineLost(self._last_words()) from error
        finally:
            self.kill()
            connection.close()

    def kill(self) -> None:
        """End the process at once; harmless when it has ended."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _last_words(self) -> str:
        code = self.process.wait() if self.process is not None else None
        return f"the training process ended (exit status {code})"


class Conversation:
    """One training, frame by frame."""

    def __init__(
        self,
        connection: Connection,
        listener: TrainingListener,
        should_cancel: Callable[[], bool],
        may_run: Callable[[], bool],
    ) -> None:
        self.connection, self.listener = connection, listener
        self.should_cancel, self.may_run = should_cancel, may_run
        self.running = True
        self.asked_to_stop = False

    def follow(self, stuck_after_s: float) -> StoredState | TrainingRefused:
        """Until the last frame. Raises EOFError when the process is gone."""
        last_sign = time.monotonic()
        while True:
            self.direct()
            if not self.connection.poll(POLL_S):
                if time.monotonic() - last_sign > stuck_after_s:
                    raise EngineLost(f"the trainer showed no step for {stuck_after_s:.0f} s")
                continue
            last_sign = time.monotonic()
            kind, header, payload = receive(self.connection)
            ended = self.take(kind, header, payload)
            if ended is not None:
                return ended

    def direct(self) -> None:
        """Pass on what was decided meanwhile: stop, stand back, go on."""
        if not self.asked_to_stop and self.should_cancel():
            self.asked_to_stop = True
            self.say("cancel")
        allowed = self.may_run()
        if allowed != self.running:
            self.running = allowed
            self.say("go" if allowed else "pause")

    def say(self, kind: str) -> None:
        """One word to the trainer; one that has ended is found by its silence."""
        with contextlib.suppress(OSError):
            send(self.connection, kind, {})

    def take(
        self, kind: str, header: dict[str, Any], payload: bytes
    ) -> StoredState | TrainingRefused | None:
        """One frame; the result when it is the last one."""
        if kind == "not_ready":
            raise EngineNotReady(header["detail"])
        if kind == "cancelled":
            raise TrainingCancelled
        if kind == "trained":
            return StoredState(**header)
        if kind == "failed":
            return TrainingRefused(**header)
        self.tell(kind, header, payload)
        return None

    def tell(self, kind: str, header: dict[str, Any], payload: bytes) -> None:
        """Progress, for the listener; a kind that is not in the protocol is a bug."""
        if "verdicts" in header:
            header["verdicts"] = tuple(header["verdicts"])
        if kind == "step":
            self.listener.on_step(header["step"], header["loss"])
        elif kind == "loading":
            self.listener.on_loading(header["detail"])
        elif kind == "checkpoint":
            self.listener.on_checkpoint(StoredState(**header))
        elif kind == "sample":
            self.listener.on_sample(Sample(**header, data=payload))
        elif kind == "sample_refused":
            self.listener.on_sample_refused(SampleRefused(**header))
        else:
            assert kind == "alive", f"the trainer said {kind!r}, which is not in the protocol"
