"""The engine process at work: loaded once, then one command after the other."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from django.conf import settings

from inference.engine.card import model_slug
from inference.engine.generate import Drawing, generate, warm_up
from inference.engine.loading import LoadedModel, ModelNotLoaded, load_model
from inference.engine.protocol import GenerateCommand, Ready, Refused, Released, send
from moderation.operations.readiness import GateNotReady, self_test

WARM_UP_SIDE_PX = 64


class NotReady(Exception):
    """The engine cannot serve: no model, or a classifier failed its canary."""


class Service:
    """One loaded model behind one connection."""

    def __init__(self, model: LoadedModel, ready: Ready) -> None:
        self.model = model
        self.ready = ready
        self._writing = threading.Lock()

    @classmethod
    def start(cls, *, report: Callable[[str], None]) -> "Service":
        """Load the model, test the gate, warm up. Raises NotReady.

        A classifier that is missing, has the wrong hash or fails its canary stops the engine here:
        an engine without its gate does not start.
        """
        started = time.monotonic()
        report("testing the gate's classifiers")
        try:
            gate = self_test("engine")
        except GateNotReady as error:
            raise NotReady(f"the gate failed its self-test: {error}") from error
        try:
            model = load_model(
                settings.MODEL_FOLDER, threads=settings.ENGINE_THREADS, report=report
            )
        except ModelNotLoaded as error:
            raise NotReady(str(error)) from error
        report("warming up")
        warm_up(model, WARM_UP_SIDE_PX, 1)
        ready = Ready(
            model=model_slug(settings.MODEL_FOLDER),
            device=model.device_name,
            gate=gate,
            self_test_s=round(time.monotonic() - started, 3),
        )
        return cls(model, ready)

    def serve(self, header: dict[str, Any], connection: Connection, cancelled: set[str]) -> None:
        """Run one command and answer with its images and ``done``."""
        command = GenerateCommand(**header)

        def on_step(step: int, steps: int) -> None:
            self._send(connection, "step", {"step": step, "steps": steps})

        def emit(result: Released | Refused) -> None:
            if isinstance(result, Released):
                fields = asdict(result)
                data = fields.pop("data")
                self._send(connection, "released", fields, data)
            else:
                self._send(connection, "refused", asdict(result))

        drawing = Drawing(on_step=on_step, should_stop=lambda: command.job_id in cancelled)
        try:
            finished = generate(
                self.model, command, release_slug=self.ready.model, drawing=drawing, emit=emit
            )
        except Exception as error:  # noqa: BLE001 (one broken job must not end the engine)
            emit(Refused(None, "engine_error", f"{type(error).__name__}: {error}"[:500]))
            finished = True
        cancelled.discard(command.job_id)
        self._send(connection, "done", {"cancelled": not finished})

    def _send(
        self, connection: Connection, kind: str, header: dict[str, Any], payload: bytes = b""
    ) -> None:
        with self._writing:
            send(connection, kind, header, payload)
