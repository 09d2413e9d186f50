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

from inference.engine.guidance import Guide, empty_text
from inference.engine.model import LoadedModel
from inference.engine.protocol import Cancelled
from inference.engine.style import Style
from inference.engine.text import Text, TextBatch, stack_texts
from inference.engine.velocity import Moment, StyledVelocity, Velocity, moments

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
    # References whose style the images take on.
    style: Style | None = None

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


def guide_of(
    model: LoadedModel, request: Request, times: torch.Tensor, dtype: torch.dtype
) -> Guide | None:
    """What lends the request's references to its drawing; None without any."""
    if request.style is None:
        return None
    alone = Velocity(model, empty_text(model), width=request.width, height=request.height)
    return Guide(model, request.style, alone, moments(model, times, dtype))


def velocity_of(
    model: LoadedModel, texts: TextBatch, request: Request, guide: Guide | None
) -> Velocity:
    """The transformer for ``texts``, led by ``guide`` where there is one."""
    size = {"width": request.width, "height": request.height}
    if guide is None:
        return Velocity(model, texts, **size)
    styled = StyledVelocity(model, texts, **size)
    styled.guide = guide
    return styled


def velocities(
    model: LoadedModel, request: Request, guide: Guide | None = None
) -> Callable[[torch.Tensor, Moment], torch.Tensor]:
    """The velocity of ``request``, guided where it asks for guidance: v = c + g (c - u)."""
    conditional = velocity_of(model, stack_texts(request.texts), request, guide)
    if not request.guided or request.unconditional is None:
        return conditional
    nothing = stack_texts([request.unconditional] * len(request.seeds))
    # Styled as well, so that guidance strengthens the prompt and not the references.
    unconditional = velocity_of(model, nothing, request, guide)

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
    shares = times / scheduler.config.num_train_timesteps
    guide = guide_of(model, request, shares, latents.dtype)
    velocity_at = velocities(model, request, guide)
    pace = Pace(model.device)
    with routed:
        steps = moments(
            model,
            shares,
            latents.dtype,
            images=None if index is None else len(request.seeds),
        )
        for number, (time, moment) in enumerate(zip(times, steps, strict=True), start=1):
            if should_stop():
                raise Cancelled
            noisy, sigma = latents, float(scheduler.sigmas[number - 1])
            if guide is not None:
                begin_step(model, guide, number - 1, sigma)
            velocity = velocity_at(latents, moment)
            latents = scheduler.step(velocity, time, latents, return_dict=False)[0]
            pace.step_launched()
            on_step(number, len(times))
            if on_prediction is not None:
                on_prediction(number, partial(predicted_clean, noisy, sigma, velocity))
    return latents


def begin_step(model: LoadedModel, guide: Guide, step: int, sigma: float) -> None:
    """Bring the references into place, without the adapters of the images at hand: what is kept of a
    reference serves drawings with others, too."""
    with model.slots.images.using(None) if model.slots else nullcontext():
        guide.begin(step, sigma)


def predicted_clean(noisy: torch.Tensor, sigma: float, velocity: torch.Tensor) -> torch.Tensor:
    """The clean latents that a step predicts: x0 = x - sigma v."""
    return noisy - sigma * velocity
