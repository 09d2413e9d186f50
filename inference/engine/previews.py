"""Previews: what an image will probably become, shown only when the output gate allows it.

A flow model's velocity points from the clean picture to the noise, so at noise level sigma the
predicted clean latents are ``latents - sigma * velocity``. Before the third step they show nothing a
classifier could judge, and the last step is the image itself.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from governance.kernel.errors import DomainError
from inference.engine.encode import encoder
from inference.engine.protocol import GenerateCommand, Preview, preview_place
from moderation.operations.release import release_image
from moderation.operations.screening import ScreenedPrompt

FIRST_STEP = 3
FORMAT, QUALITY = "jpeg", 80


def preview_steps(steps: int, partial_images: int) -> tuple[int, ...]:
    """The steps (1 to ``steps``) after which previews are shown: from the third on, evenly spread."""
    possible = range(FIRST_STEP, steps)
    wanted = min(partial_images, len(possible))
    return tuple(possible[(len(possible) * place) // wanted] for place in range(wanted))


class Previews:
    """The previews of one attempt. An image whose preview was refused once shows no other."""

    def __init__(
        self,
        *,
        command: GenerateCommand,
        prompt: ScreenedPrompt,
        release_slug: str,
        emit: Callable[[Preview], None],
    ) -> None:
        self.command = command
        self.prompt = prompt
        self.release_slug = release_slug
        self.emit = emit
        self.steps = preview_steps(command.steps, command.partial_images)
        self.withheld: set[int] = set()

    def wanted_after(self, step: int) -> bool:
        """Whether previews are shown after ``step``."""
        return step in self.steps

    def show(self, step: int, pixels: list[NDArray[np.uint8] | None], *, first: int = 0) -> None:
        """Let the gate judge the predicted pictures, (height, width, 3) each, of the images from
        ``first`` on; emit what it allows. A picture that it does not allow, or that is none yet, is
        never sent."""
        partial = self.steps.index(step)
        for index, picture in enumerate(pixels, start=first):
            if index in self.withheld or picture is None:
                continue
            try:
                self.emit(self.released(index, partial, picture))
            except DomainError:
                self.withheld.add(index)

    def released(self, index: int, partial: int, picture: NDArray[np.uint8]) -> Preview:
        """One preview with its receipt. Raises what ``release_image`` raises."""
        image = release_image(
            pixels=picture,
            encode=encoder(FORMAT, QUALITY),
            prompt=self.prompt,
            job_id=self.command.job,
            attempt=self.command.attempt,
            index=preview_place(index, partial),
            release_slug=self.release_slug,
        )
        return Preview(
            index=index,
            partial=partial,
            data=image.data,
            receipt=image.receipt,
            verdicts=tuple(verdict.as_json() for verdict in image.verdicts),
        )
