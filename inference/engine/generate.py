"""One attempt inside the engine: text, latents, pixels, gate, bytes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from governance.kernel.errors import DomainError
from inference.engine.denoise import Cancelled, PromptTooLong, Request, decode, denoise, encode_text
from inference.engine.encode import encoder
from inference.engine.loading import LoadedModel, inference_mode
from inference.engine.protocol import GenerateCommand, Refused, Released
from moderation.operations.release import release_image
from moderation.operations.screening import ScreenedPrompt, restore_screened_prompt


class Drawing:
    """What one attempt may do: report steps, and ask whether it should stop."""

    def __init__(
        self, *, on_step: Callable[[int, int], None], should_stop: Callable[[], bool]
    ) -> None:
        self.on_step = on_step
        self.should_stop = should_stop


def generate(
    model: LoadedModel,
    command: GenerateCommand,
    *,
    release_slug: str,
    drawing: Drawing,
    emit: Callable[[Released | Refused], None],
) -> bool:
    """Make and release the images of ``command``; returns False when it was cancelled.

    The prompt's receipt is verified before anything is drawn; each image leaves through the gate or
    not at all. Emits one Released or Refused per image, or one Refused without index for the whole.
    """
    try:
        prompt = restore_screened_prompt(
            text=command.prompt, receipt=command.prompt_receipt, job_id=command.job
        )
        pixels = draw(model, prompt, command, drawing)
    except Cancelled:
        return False
    except PromptTooLong as error:
        emit(
            Refused(
                None,
                "prompt_too_long",
                str(error),
                {"tokens": error.tokens, "limit": error.limit, "param": "prompt"},
            )
        )
        return True
    except DomainError as error:
        emit(refusal(None, error))
        return True
    for index, image in enumerate(pixels):
        emit(pass_gate(image, prompt, command, index, release_slug))
    return True


def draw(
    model: LoadedModel, prompt: ScreenedPrompt, command: GenerateCommand, drawing: Drawing
) -> NDArray[np.float32]:
    """Pixels in 0..1, (images, height, width, 3). Takes a ScreenedPrompt, never bare text."""
    with inference_mode():
        guided = command.guidance > 0
        request = Request(
            text=encode_text(model, prompt.text),
            unconditional=encode_text(model, "") if guided else None,
            width=command.width,
            height=command.height,
            steps=command.steps,
            guidance=command.guidance,
            seeds=[command.seed + index for index in range(command.images)],
        )
        latents = denoise(model, request, on_step=drawing.on_step, should_stop=drawing.should_stop)
        decoded = decode(model, latents, width=command.width, height=command.height)
        scaled = (decoded / 2 + 0.5).clamp(0, 1)
        result: NDArray[np.float32] = scaled.permute(0, 2, 3, 1).cpu().numpy()
        return result


def pass_gate(
    image: NDArray[np.float32],
    prompt: ScreenedPrompt,
    command: GenerateCommand,
    index: int,
    release_slug: str,
) -> Released | Refused:
    """One image through the gate: released with its receipt, or refused with the reason."""
    if not math.isfinite(float(image.sum())):
        return Refused(index, "image_unusable", "The model produced a broken (NaN) image.")
    try:
        released = release_image(
            pixels=np.round(image * 255).astype(np.uint8),
            encode=encoder(command.output_format),
            prompt=prompt,
            job_id=command.job,
            attempt=command.attempt,
            index=index,
            release_slug=release_slug,
        )
    except DomainError as error:
        return refusal(index, error)
    return Released(
        index=index,
        data=released.data,
        receipt=released.receipt,
        width=released.width,
        height=released.height,
        verdicts=tuple(verdict.as_json() for verdict in released.verdicts),
    )


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


def warm_up(model: LoadedModel, side: int, steps: int) -> None:
    """One throw-away forward pass, so that the first user does not wait for lazy initialisation."""
    with inference_mode():
        text = encode_text(model, "warm up")
        request = Request(text, None, side, side, steps, 0.0, [0])
        latents = denoise(
            model, request, on_step=lambda _step, _of: None, should_stop=lambda: False
        )
        decode(model, latents, width=side, height=side)
        if model.device.type == "cuda":
            torch.cuda.synchronize()
