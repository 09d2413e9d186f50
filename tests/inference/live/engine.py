"""The engine of the live tests: sketches instead of a model, through the real gate, at a chosen pace."""

import threading
from collections.abc import Callable

import numpy as np

from inference.engine.attempts import Outcome, ignore_preview
from inference.engine.labelled import dimmed, forced_refusal, labelled
from inference.engine.previews import Previews
from inference.engine.protocol import Cancelled, GenerateCommand, Preview, Ready, Refused
from moderation.operations.screening import restore_screened_prompt
from tests.inference.conftest import SketchEngine, ramp

MODEL = "krea-2-tiny-turbo"


class Pace:
    """Lets the tests hold the engine before its first step, and let go."""

    def __init__(self) -> None:
        self.may_begin = threading.Event()
        self.may_begin.set()
        self.refuses: tuple[int, ...] = ()


class LiveEngine(SketchEngine):
    """SketchEngine with the life cycle of EngineProcess, previews and test keys."""

    alive = False
    ready: Ready | None = None

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace

    def start(self, *, on_progress: Callable[[str], None]) -> Ready:
        self.alive = True
        self.ready = Ready(model=MODEL, device="sketch", gate="real", self_test_s=0.0)
        return self.ready

    def kill(self) -> None:
        self.alive = False
        self.pace.may_begin.set()

    def dismiss(self, _reason: str) -> None:
        self.kill()

    def generate(
        self,
        command: GenerateCommand,
        *,
        on_step: Callable[[int, int], None],
        should_cancel: Callable[[], bool],
        stuck_after_s: float,
        on_preview: Callable[[Preview], None] = ignore_preview,
    ) -> Outcome:
        self.refuses = self.pace.refuses
        while not self.pace.may_begin.wait(0.05):
            if should_cancel():
                return Outcome(cancelled=True)
        attempt = Attempt(command, on_step, should_cancel, on_preview)
        try:
            return attempt.labelled() if command.test_mode else attempt.sketched(self)
        except Cancelled:
            return Outcome(cancelled=True)


class Attempt:
    """One job: steps, previews through the gate, and the images."""

    def __init__(
        self,
        command: GenerateCommand,
        on_step: Callable[[int, int], None],
        should_stop: Callable[[], bool],
        on_preview: Callable[[Preview], None],
    ) -> None:
        self.command = command
        self.on_step = on_step
        self.should_stop = should_stop
        prompt = restore_screened_prompt(
            text=command.prompt, receipt=command.prompt_receipt, job_id=command.job
        )
        self.previews = Previews(
            command=command, prompt=prompt, release_slug="sketch", emit=on_preview
        )

    def sketched(self, engine: SketchEngine) -> Outcome:
        """A live key's job."""
        for step in range(1, self.command.steps + 1):
            if self.should_stop():
                raise Cancelled
            self.on_step(step, self.command.steps)
            if step in self.previews.steps:
                self.previews.show(step, self.predicted())
        return Outcome(
            released=[
                engine.sketch(self.command, index)
                for index in range(self.command.images)
                if index not in engine.refuses
            ],
            refused=[
                Refused(index, "moderation_blocked", "Refused by the test.", {"stage": "output"})
                for index in engine.refuses
            ],
        )

    def labelled(self) -> Outcome:
        """A test key's job: the real labelled renderer."""
        pictures = labelled(
            self.command,
            previews=self.previews,
            on_step=self.on_step,
            should_stop=self.should_stop,
        )
        forced = forced_refusal(self.command)
        if forced is not None:
            return Outcome(refused=[forced])
        engine = SketchEngine(pictures=pictures)
        return Outcome(
            released=[engine.sketch(self.command, index) for index in range(self.command.images)]
        )

    def predicted(self) -> list[np.ndarray | None]:
        """What a preview shows: the picture itself, a little darker."""
        command = self.command
        pictures = [
            ramp(command.height, command.width, command.seed + index)
            for index in range(command.images)
        ]
        return [dimmed(each, 0.8) for each in pictures]
