"""Pictures without a model: drawn here, judged and marked by the real gate."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inference.engine.client import Outcome, ignore_preview
from inference.engine.encode import encoder
from inference.engine.protocol import GenerateCommand, Preview, Refused, Released
from moderation.operations.refusals import GateRefusal
from moderation.operations.release import release_image
from moderation.operations.screening import restore_screened_prompt


class SketchEngine:
    """Draws a disc over a gradient for each image. ``fails``: makes none, as a fault would."""

    def __init__(self, release_slug: str, *, fails: bool = False) -> None:
        self.release_slug = release_slug
        self.fails = fails

    def generate(
        self,
        command: GenerateCommand,
        *,
        on_step: Callable[[int, int], None],  # noqa: ARG002 (nobody watches the past)
        should_cancel: Callable[[], bool],  # noqa: ARG002
        stuck_after_s: float,  # noqa: ARG002
        on_preview: Callable[[Preview], None] = ignore_preview,  # noqa: ARG002
    ) -> Outcome:
        """Every image that the gate lets through; a refused one as the gate refused it."""
        outcome = Outcome()
        for index in range(0 if self.fails else command.images):
            try:
                outcome.released.append(self.released(command, index))
            except GateRefusal as refusal:
                verdicts = tuple(verdict.as_json() for verdict in refusal.verdicts)
                outcome.refused.append(
                    Refused(index, refusal.code, refusal.detail, refusal.facts, verdicts)
                )
        return outcome

    def released(self, command: GenerateCommand, index: int) -> Released:
        """One image. Raises GateRefusal."""
        prompt = restore_screened_prompt(
            text=command.prompt, receipt=command.prompt_receipt, job_id=command.job
        )
        image = release_image(
            pixels=sketch(command.height, command.width, command.seed + index),
            encode=encoder(command.output_format, command.output_compression),
            prompt=prompt,
            job_id=command.job,
            attempt=command.attempt,
            index=index,
            release_slug=self.release_slug,
        )
        verdicts = tuple(verdict.as_json() for verdict in image.verdicts)
        return Released(index, image.data, image.receipt, image.width, image.height, verdicts)


def sketch(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """A soft disc over a gradient; colours and place by ``seed``."""
    random = np.random.default_rng(seed)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    sky, disc = random.uniform(60, 200, 3), random.uniform(60, 220, 3)
    x, y, radius = random.uniform(0.3, 0.7), random.uniform(0.3, 0.7), random.uniform(0.12, 0.25)
    inside = np.clip((radius - np.hypot(across - x, down - y)) * 40, 0, 1)[..., None]
    ground = sky * (0.7 + 0.4 * (across * 0.4 + down * 0.6))[..., None]
    return np.clip(ground * (1 - inside) + disc * inside, 0, 255).astype(np.uint8)
