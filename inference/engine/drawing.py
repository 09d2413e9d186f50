"""Drawing one batch on the device: from parts of jobs to pixels that wait for the gate."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from governance.kernel import tracing
from inference.engine.batching import Part
from inference.engine.denoise import Request, denoise
from inference.engine.model import LoadedModel, inference_mode
from inference.engine.text import encode_text
from inference.engine.vae import decode, to_bytes


@dataclass(frozen=True)
class Pixels:
    """Pictures on their way to the CPU; the copy may still be running when this is made."""

    data: torch.Tensor
    finite: torch.Tensor
    copied: torch.cuda.Event | None
    # They end when the pictures are here: the device works on after the last call returned.
    decoding: Sequence[tracing.Span] = ()

    def images(self) -> list[NDArray[np.uint8] | None]:
        """One (height, width, 3) picture each, None where it is not finite; waits for the copy."""
        if self.copied is not None:
            self.copied.synchronize()
        for span in self.decoding:
            span.end()
        usable = self.finite.tolist()
        return [self.data[row].numpy() if usable[row] else None for row in range(len(usable))]


def request_of(parts: Sequence[Part]) -> Request:
    """One request for the images of all parts, in order."""
    command = parts[0].job.command
    rows = [(part.job, part.first + n) for part in parts for n in range(part.count)]
    return Request(
        texts=[job.text for job, _ in rows],
        unconditional=parts[0].job.unconditional,
        width=command.width,
        height=command.height,
        steps=command.steps,
        guidance=command.guidance,
        seeds=[job.command.seed + index for job, index in rows],
        slots=[job.slot for job, _ in rows],
        style=parts[0].job.style,
    )


def draw(
    model: LoadedModel, parts: Sequence[Part], *, show: Callable[[int, Pixels], None]
) -> Pixels:
    """The pictures of ``parts``. Raises Cancelled when none of their jobs is wanted any more.

    ``show`` is given the predicted pictures after the steps whose previews a job asked for.
    """

    def on_step(step: int, steps: int) -> None:
        for part, span in zip(parts, drawing, strict=True):
            span.event("step", step=step)
            if not part.job.stop_if_cancelled():
                share = (part.first + part.count * step / steps) / part.job.command.images
                part.job.step(share)

    def should_stop() -> bool:
        # Each job is asked, so that each says its own "done".
        wanted = [part for part in parts if not part.job.stop_if_cancelled()]
        return not wanted

    request = request_of(parts)
    size = {"width": request.width, "height": request.height}
    shown = {step for part in parts for step in part.job.preview_steps}

    def on_prediction(step: int, predicted: Callable[[], torch.Tensor]) -> None:
        if step in shown:
            show(step, to_host(decode(model, predicted(), **size)))

    with inference_mode():
        with traced(parts) as drawing:
            latents = denoise(
                model,
                request,
                on_step=on_step,
                should_stop=should_stop,
                on_prediction=on_prediction if shown else None,
            )
        decoding = [tracing.opened("engine.vae", parent=parent_of(part)) for part in parts]
        return to_host(decode(model, latents, **size), decoding)


def parent_of(part: Part) -> str:
    """The attempt's span."""
    return part.job.command.traceparent


@contextmanager
def traced(parts: Sequence[Part]) -> Iterator[list[tracing.Span]]:
    """A span of the drawing in each job's trace, for as long as the block runs."""
    spans = [
        tracing.opened(
            "engine.draw",
            parent=parent_of(part),
            batch=sum(each.count for each in parts),
            images=part.count,
            steps=part.job.command.steps,
            width=part.job.command.width,
            height=part.job.command.height,
        )
        for part in parts
    ]
    try:
        yield spans
    finally:
        for span in spans:
            span.end()


def to_host(decoded: torch.Tensor, decoding: Sequence[tracing.Span] = ()) -> Pixels:
    """Start copying pixels (-1..1) to the CPU as bytes, without waiting for it."""
    data, finite = to_bytes(decoded)
    if decoded.device.type != "cuda":
        return Pixels(data, finite, None, decoding)
    pinned = torch.empty(data.shape, dtype=data.dtype, pin_memory=True)
    flags = torch.empty(finite.shape, dtype=finite.dtype, pin_memory=True)
    pinned.copy_(data, non_blocking=True)
    flags.copy_(finite, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()
    return Pixels(pinned, flags, copied, decoding)


def warm_up(model: LoadedModel, side: int, *, images: Sequence[int] = (1,)) -> None:
    """Throw-away drawings, so that the first user waits for no lazy initialisation or compiler."""
    with inference_mode():
        text = encode_text(model, "warm up")
        with_adapters = (False, True) if model.slots else (False,)
        for count in images:
            for adapted in with_adapters:
                # Slot 1 holds zeros before the first adapter comes: the code path is what counts.
                slots = [1] * count if adapted else ()
                request = Request([text] * count, None, side, side, 1, 0.0, range(count), slots)
                latents = denoise(
                    model, request, on_step=lambda _step, _of: None, should_stop=lambda: False
                )
                decode(model, latents, width=side, height=side)
        if model.device.type == "cuda":
            torch.cuda.synchronize()
