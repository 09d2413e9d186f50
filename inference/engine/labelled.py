"""What a test key gets: a picture that says TEST, drawn without the model, through the same gate."""

import math
import textwrap
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from inference.engine.previews import Previews
from inference.engine.protocol import Cancelled, GenerateCommand, Refused
from inference.kernel.forced import BLOCKS, SENTENCE, Forced, forced_outcome
from moderation.operations.refusals import refusal_facts

TURN_S = 0.1
LINES = 4


def labelled(
    command: GenerateCommand,
    *,
    previews: Previews,
    on_step: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> list[NDArray[np.uint8]]:
    """Labelled pictures, (height, width, 3) each: the same for the same prompt and seed.

    Takes as long as the prompt's ``[[test:slow:S]]`` says. Raises Cancelled within a tenth of a second.
    """
    forced = forced_in(command)
    pause = (forced.seconds if forced else 0) / command.steps
    pictures = [picture(command, index) for index in range(command.images)]
    for step in range(1, command.steps + 1):
        wait(pause, should_stop)
        on_step(step, command.steps)
        if step in previews.steps:
            previews.show(step, [dimmed(each, step / command.steps) for each in pictures])
    return pictures


def forced_refusal(command: GenerateCommand) -> Refused | None:
    """What a test key's marker forces instead of images, if it forces anything here."""
    forced = forced_in(command)
    if forced is None or forced.is_at_the_door or forced.seconds:
        return None
    facts = (
        refusal_facts(stage="output", items=forced.items, decision_id=command.job)
        if forced.outcome in BLOCKS
        else {}
    )
    return Refused(None, forced.outcome, SENTENCE, {"forced": True, **facts})


def forced_in(command: GenerateCommand) -> Forced | None:
    """The marker of a test key's prompt; a live key has none."""
    return forced_outcome(command.prompt) if command.test_mode else None


def wait(seconds: float, should_stop: Callable[[], bool]) -> None:
    """Sleep in short turns. Raises Cancelled."""
    until = time.monotonic() + seconds
    while True:
        if should_stop():
            raise Cancelled
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, TURN_S))


def dimmed(pixels: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """A preview of a labelled picture: the picture at ``share`` of its brightness."""
    return (pixels * share).astype(np.uint8)


def picture(command: GenerateCommand, index: int) -> NDArray[np.uint8]:
    """One picture: a gradient by the seed, the word TEST, and the prompt's beginning."""
    seed = command.seed + index
    tint = [0.35 + 0.3 * math.sin(seed % 997 + shift) ** 2 for shift in (0.0, 2.1, 4.2)]
    down = np.linspace(0.75, 1.25, command.height)[:, None, None]
    across = np.linspace(0.9, 1.1, command.width)[None, :, None]
    canvas = Image.fromarray((down * across * np.array(tint) * 200).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    large = ImageFont.load_default(size=max(command.height // 6, 10))
    small = ImageFont.load_default(size=max(command.height // 28, 8))
    margin = max(command.width // 20, 2)
    draw.text((margin, margin), "TEST", fill="white", font=large)
    lines = textwrap.wrap(command.prompt, 40)[:LINES]
    told = "\n".join([f"seed {seed}, {command.width} x {command.height} px, no model", *lines])
    draw.multiline_text((margin, command.height // 3), told, fill="white", font=small)
    return np.asarray(canvas, dtype=np.uint8)
