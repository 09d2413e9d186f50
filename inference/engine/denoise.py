"""Our denoise loop over diffusers' components: the same picture as ``Krea2Pipeline`` in less work.

What is saved changes nothing in the result, and each saving has a test against the untouched
pipeline: padded text tokens are dropped, which also removes the attention mask; text fusion, text
projection, rotary embedding and the modulation of every step are computed once per drawing, not once
per step; the images of a request are drawn in one batch.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from diffusers.pipelines.krea2.pipeline_krea2 import calculate_shift
from torch.nn import functional

from inference.engine.model import LoadedModel
from inference.engine.protocol import Cancelled
from inference.engine.text import Text, TextBatch, stack_texts

DISTILLED_SHIFT = 1.15
STEPS_AHEAD = 1
"""How many steps the CPU may run ahead of the GPU: progress and cancellation stay true to a step."""


@dataclass(frozen=True)
class Request:
    """What to draw in one batch: sizes in px, one text and one seed per image."""

    texts: Sequence[Text]
    unconditional: Text | None
    width: int
    height: int
    steps: int
    guidance: float
    seeds: Sequence[int]
    # The adapters' slot of each image; 0 or absent: none.
    slots: Sequence[int] = ()

    @property
    def guided(self) -> bool:
        """Whether each step needs a second forward without the prompt."""
        return self.unconditional is not None and self.guidance > 0


def noise(model: LoadedModel, request: Request) -> torch.Tensor:
    """Packed starting latents, one per seed.

    Drawn on the CPU, so that a seed means the same on every device and in every batch.
    """
    pipe = model.pipeline
    channels = pipe.transformer.config.in_channels // pipe.patch_size**2
    shape = (
        1,
        channels,
        request.height // pipe.vae_scale_factor,
        request.width // pipe.vae_scale_factor,
    )
    drawn = [
        torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=model.dtype)
        for seed in request.seeds
    ]
    latents = torch.cat(drawn).to(model.device)
    packed: torch.Tensor = pipe._pack_latents(  # noqa: SLF001 (the pipeline's own layout)
        latents, len(request.seeds), channels, shape[2], shape[3]
    )
    return packed


def timesteps(model: LoadedModel, steps: int, image_tokens: int) -> torch.Tensor:
    """Set the scheduler for a drawing and return its timesteps, as the pipeline does."""
    pipe = model.pipeline
    scheduler = pipe.scheduler
    if pipe.config.is_distilled:
        shift = DISTILLED_SHIFT
    else:
        config = scheduler.config
        shift = calculate_shift(
            image_tokens,
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 6400),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.15),
        )
    sigmas = np.linspace(1.0, 1 / steps, steps)
    scheduler.set_timesteps(sigmas=sigmas, device=model.device, mu=shift)
    scheduler.set_begin_index(0)
    times: torch.Tensor = scheduler.timesteps
    return times


@dataclass(frozen=True)
class Moment:
    """One step's time in the transformer's width, (1 or images, 1, hidden), and its modulation."""

    embedded: torch.Tensor
    modulation: torch.Tensor


def moments(
    model: LoadedModel, times: torch.Tensor, dtype: torch.dtype, *, images: int | None = None
) -> list[Moment]:
    """The embedding and modulation of each of ``times`` (0 to 1), before the first step.

    Shared by all images, in one pass for all steps; with adapters, which may change the time's
    projections, one row for each of ``images``.
    """
    net = model.pipeline.transformer

    def moment(rows: torch.Tensor) -> Moment:
        embedded = net.time_embed(rows, dtype=dtype)
        return Moment(embedded, net.time_mod_proj(functional.gelu(embedded, approximate="tanh")))

    if images is not None:
        return [moment(time.to(dtype).expand(images)) for time in times]
    together = moment(times.to(dtype))
    return [
        Moment(together.embedded[step : step + 1], together.modulation[step : step + 1])
        for step in range(times.shape[0])
    ]


class Velocity:
    """The transformer for given texts and size: text and rotary embedding already in place."""

    def __init__(self, model: LoadedModel, texts: TextBatch, *, width: int, height: int) -> None:
        pipe = model.pipeline
        side = pipe.vae_scale_factor * pipe.patch_size
        rows, columns = height // side, width // side
        self.transformer = pipe.transformer
        self.text = texts.hidden
        self.mask = None
        if texts.mask is not None:
            image = texts.mask.new_ones((texts.mask.shape[0], rows * columns))
            self.mask = torch.cat([texts.mask, image], dim=1)[:, None, None, :]
        positions = pipe.prepare_position_ids(self.text.shape[1], rows, columns, model.device)
        self.rotary = self.transformer.rotary_emb(positions)

    def __call__(self, latents: torch.Tensor, moment: Moment) -> torch.Tensor:
        """Velocity at ``moment`` for packed ``latents``."""
        net = self.transformer
        hidden = torch.cat([self.text, net.img_in(latents)], dim=1)
        for block in net.transformer_blocks:
            hidden = block(hidden, moment.modulation, self.rotary, self.mask)
        out: torch.Tensor = net.final_layer(hidden[:, self.text.shape[1] :], moment.embedded)
        return out


def velocities(
    model: LoadedModel, request: Request
) -> Callable[[torch.Tensor, Moment], torch.Tensor]:
    """The velocity of ``request``, guided where it asks for guidance: v = c + g (c - u)."""
    size = {"width": request.width, "height": request.height}
    conditional = Velocity(model, stack_texts(request.texts), **size)
    if not request.guided or request.unconditional is None:
        return conditional
    nothing = stack_texts([request.unconditional] * len(request.seeds))
    unconditional = Velocity(model, nothing, **size)

    def guided(latents: torch.Tensor, moment: Moment) -> torch.Tensor:
        velocity = conditional(latents, moment)
        away = velocity - unconditional(latents, moment)
        return velocity + request.guidance * away

    return guided


class Pace:
    """Keeps the CPU at most one step ahead of the GPU, without ever draining it. Idle on a CPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._events: deque[torch.cuda.Event] = deque()

    def step_launched(self) -> None:
        """Waits until all but the last step's work has been done."""
        if self.device.type != "cuda":
            return
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self._events.append(event)
        if len(self._events) > STEPS_AHEAD:
            self._events.popleft().synchronize()


def slot_index(model: LoadedModel, request: Request) -> torch.Tensor | None:
    """The slot of each image on the device; None where no image has an adapter."""
    if not any(request.slots):
        return None
    return torch.tensor(list(request.slots), device=model.device)


def denoise(
    model: LoadedModel,
    request: Request,
    *,
    on_step: Callable[[int, int], None],
    should_stop: Callable[[], bool],
    on_prediction: Callable[[int, Callable[[], torch.Tensor]], None] | None = None,
) -> torch.Tensor:
    """Packed clean latents. Raises Cancelled within one step of ``should_stop`` turning true.

    ``on_prediction`` is offered each step's predicted clean latents (x0 = x - sigma v), for previews;
    they are computed only when called for.
    """
    index = slot_index(model, request)
    routed = model.slots.images.using(index) if model.slots else nullcontext()
    latents = noise(model, request)
    times = timesteps(model, request.steps, latents.shape[1])
    scheduler = model.pipeline.scheduler
    velocity_at = velocities(model, request)
    pace = Pace(model.device)
    with routed:
        steps = moments(
            model,
            times / scheduler.config.num_train_timesteps,
            latents.dtype,
            images=None if index is None else len(request.seeds),
        )
        for number, (time, moment) in enumerate(zip(times, steps, strict=True), start=1):
            if should_stop():
                raise Cancelled
            velocity = velocity_at(latents, moment)
            noisy, sigma = latents, float(scheduler.sigmas[number - 1])
            latents = scheduler.step(velocity, time, latents, return_dict=False)[0]
            pace.step_launched()
            on_step(number, len(times))
            if on_prediction is not None:
                on_prediction(number, partial(predicted_clean, noisy, sigma, velocity))
    return latents


def predicted_clean(noisy: torch.Tensor, sigma: float, velocity: torch.Tensor) -> torch.Tensor:
    """The clean latents that a step predicts: x0 = x - sigma v."""
    return noisy - sigma * velocity
