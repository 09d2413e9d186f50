"""From pixels to what may leave: the gate, the file, the receipt. On other threads than the GPU's."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from governance.kernel import tracing
from governance.kernel.errors import DomainError
from inference.engine.encode import encoder
from inference.engine.protocol import GenerateCommand, Refused, Released
from moderation.operations.release import Weights, release_image
from moderation.operations.screening import ScreenedPrompt

BROKEN = "The model produced a broken (NaN or infinite) image. Nothing was charged for it."


def pass_gate(
    image: NDArray[np.uint8] | None,
    prompt: ScreenedPrompt,
    command: GenerateCommand,
    index: int,
    release_slug: str,
) -> Released | Refused:
    """One image through the gate: released with its receipt, or refused with the reason.

    None stands for pixels that were not finite. Never raises: what goes wrong is a refusal.
    """
    with tracing.span("engine.screen", parent=command.traceparent, index=index) as span:
        judged = judge(image, prompt, command, index, release_slug)
        span.tell(outcome=judged.code if isinstance(judged, Refused) else "released")
    return judged


def judge(
    image: NDArray[np.uint8] | None,
    prompt: ScreenedPrompt,
    command: GenerateCommand,
    index: int,
    release_slug: str,
) -> Released | Refused:
    """The steps of ``pass_gate``."""
    if image is None:
        return Refused(index, "image_unusable", BROKEN)
    try:
        released = release_image(
            pixels=image,
            encode=encoder(command.output_format, command.output_compression),
            prompt=prompt,
            job_id=command.job,
            attempt=command.attempt,
            index=index,
            release_slug=release_slug,
            weights=weights_of(command),
        )
    except DomainError as error:
        return refusal(index, error)
    except Exception as error:  # noqa: BLE001 (an image that broke the gate stays inside)
        return broken(index, error)
    return Released(
        index=index,
        data=released.data,
        receipt=released.receipt,
        width=released.width,
        height=released.height,
        verdicts=tuple(verdict.as_json() for verdict in released.verdicts),
    )


def weights_of(command: GenerateCommand) -> list[Weights]:
    """What draws the image, for its content credentials: the release, what it derives from, adapters,
    references.

    The last two go by their id: what their owners call them is nobody else's business.
    """
    adapters = [Weights(str(each.id), "adapter", each.sha256) for each in command.adapters]
    references = [Weights(each.id, "reference", each.sha256) for each in command.style_references]
    return [*(Weights(**part) for part in command.weights), *adapters, *references]


def refusal(index: int | None, error: DomainError) -> Refused:
    """A domain error as the protocol's refusal, with the verdicts that led to it."""
    verdicts: tuple[Any, ...] = getattr(error, "verdicts", ())
    return Refused(
        index,
        error.code,
        error.detail,
        error.facts,
        tuple(verdict.as_json() for verdict in verdicts),
    )


def broken(index: int | None, error: Exception) -> Refused:
    """An error that nobody foresaw, as a refusal."""
    return Refused(index, "engine_error", f"{type(error).__name__}: {error}"[:500])
