"""The engine process at work: loaded once, then a studio behind one connection."""

import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from django.conf import settings

from inference.engine.card import model_slug
from inference.engine.drawing import warm_up
from inference.engine.loading import ModelNotLoaded, Source, load_model
from inference.engine.model import LoadedModel
from inference.engine.protocol import Ready, send
from inference.engine.studio import Studio
from moderation.operations.readiness import GateNotReady, self_test

WARM_UP_SIDE_PX = 64
WARM_UP_IMAGES = (1, 2)


class NotReady(Exception):
    """The engine cannot serve: no model, or a classifier failed its canary."""


class Writer:
    """Frames from many threads over one connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._lock = threading.Lock()

    def __call__(self, kind: str, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send one frame."""
        with self._lock:
            send(self.connection, kind, header, payload)


def start(*, report: Callable[[str], None]) -> tuple[LoadedModel, Ready]:
    """Load the model, test the gate, warm up. Raises NotReady.

    A classifier that is missing, has the wrong hash or fails its canary stops the engine here: an
    engine without its gate does not start.
    """
    started = time.monotonic()
    report("testing the gate's classifiers")
    try:
        gate = self_test("engine")
    except GateNotReady as error:
        raise NotReady(f"the gate failed its self-test: {error}") from error
    try:
        model = load_model(
            Source(settings.MODEL_FOLDER, settings.MODEL_REVISION, settings.MODEL_COMPONENTS),
            threads=settings.ENGINE_THREADS,
            report=report,
            slots=settings.ADAPTER_SLOTS,
            slot_rank=settings.ADAPTER_RANK,
        )
    except ModelNotLoaded as error:
        raise NotReady(str(error)) from error
    report("warming up")
    warm_up(model, WARM_UP_SIDE_PX, images=WARM_UP_IMAGES)
    ready = Ready(
        model=model_slug(settings.MODEL_FOLDER),
        device=model.device_name,
        gate=gate,
        self_test_s=round(time.monotonic() - started, 3),
        weights_sha256=model.sha256,
    )
    return model, ready


def open_studio(model: LoadedModel, ready: Ready, connection: Connection) -> Studio:
    """A studio whose frames go over ``connection``."""
    return Studio(
        model,
        release_slug=ready.model,
        send=Writer(connection),
        batch_tokens=settings.BATCH_TOKENS,
        style_bytes=settings.STYLE_CACHE_BYTES,
    )
