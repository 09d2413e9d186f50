"""Our denoise loop over diffusers' components: the same picture as ``Krea2Pipeline`` in less work.

What is saved changes nothing in the result, and each saving has a test against the untouched
pipeline: padded text tokens are dropped (they are masked everywhere and sit at rotary position
zero), which also removes the attention mask; text fusion, text projection and rotary embedding are
computed once per image, not once per step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.pipelines.krea2.pipeline_krea2 import calculate_shift
from torch.nn import functional

from inference.engine.loading import LoadedModel

MAX_PROMPT_TOKENS = 512
DISTILLED_SHIFT = 1.15


class PromptTooLong(Exception):
    """The prompt has more tokens than the model reads; diffusers would cut it silently."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"The prompt has {tokens} tokens and the model reads {limit}. Shorten it.")
        self.tokens = tokens
        self.limit = limit


class Cancelled(Exception):
    """The job was cancelled between two steps."""


@dataclass(frozen=True)
class Text:
    """One prompt in the transformer's width: (1, tokens, hidden), computed once per prompt."""

    hidden: torch.Tensor
    prompt_tokens: int


@dataclass(frozen=True)
class Request:
    """What to draw: sizes in px, one seed per image."""

    text: Text
    unconditional: Text | None
    width: int
    height: int
    steps: int
    guidance: float
    seeds: Sequence[int]


def encode_text(model: LoadedModel, prompt: str) -> Text:
    """Encode ``prompt`` without padding. Raises PromptTooLong.

    Equals the pipeline's padded encoding on the valid tokens: padding is masked for every query and
    takes no position.
    """
    pipe = model.pipeline
    prefix = pipe.prompt_template_encode_start_idx
    suffix_tokens = pipe.prompt_template_encode_num_suffix_tokens
    body = pipe.tokenizer([pipe.prompt_template_encode_prefix + prompt], return_tensors="pt")
    tail = pipe.tokenizer([pipe.prompt_template_encode_suffix], return_tensors="pt")
    prompt_tokens = body.input_ids.shape[1] - prefix
    limit = MAX_PROMPT_TOKENS - suffix_tokens
    if prompt_tokens > limit:
        raise PromptTooLong(prompt_tokens, limit)
    ids = torch.cat([body.input_ids, tail.input_ids], dim=1).to(model.device)
    positions = torch.arange(ids.shape[1], device=model.device)[None, None].expand(3, 1, -1)
    outputs = pipe.text_encoder(
        input_ids=ids,
        attention_mask=torch.ones_like(ids, dtype=torch.bool),
        position_ids=positions,
        output_hidden_states=True,
    )
    taps = torch.stack(
        [outputs.hidden_states[layer] for layer in pipe.text_encoder_select_layers], dim=2
    )[:, prefix:]
    transformer = pipe.transformer
    fused = transformer.txt_in(transformer.text_fusion(taps.to(model.dtype)))
    return Text(hidden=fused, prompt_tokens=prompt_tokens)


def noise(model: LoadedModel, request: Request) -> torch.Tensor:
    """Packed starting latents, one per seed.

    Drawn on the CPU, so that a seed means the same on every device.
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


def timesteps(model: LoadedModel, request: Request, image_tokens: int) -> torch.Tensor:
    """Set the scheduler for this request and return its timesteps, as the pipeline does."""
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
    sigmas = np.linspace(1.0, 1 / request.steps, request.steps)
    scheduler.set_timesteps(sigmas=sigmas, device=model.device, mu=shift)
    scheduler.set_begin_index(0)
    steps: torch.Tensor = scheduler.timesteps
    return steps


class Velocity:
    """The transformer for one prompt and size: text and rotary embedding already in place."""

    def __init__(self, model: LoadedModel, text: Text, request: Request) -> None:
        pipe = model.pipeline
        side = pipe.vae_scale_factor * pipe.patch_size
        self.transformer = pipe.transformer
        self.text = text.hidden.expand(len(request.seeds), -1, -1)
        positions = pipe.prepare_position_ids(
            self.text.shape[1], request.height // side, request.width // side, model.device
        )
        self.rotary = self.transformer.rotary_emb(positions)

    def __call__(self, latents: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Velocity at ``time`` (one value in 0..1 per image) for packed ``latents``."""
        net = self.transformer
        embedded = net.time_embed(time, dtype=latents.dtype)
        modulation = net.time_mod_proj(functional.gelu(embedded, approximate="tanh"))
        hidden = torch.cat([self.text, net.img_in(latents)], dim=1)
        for block in net.transformer_blocks:
            hidden = block(hidden, modulation, self.rotary, None)
        out: torch.Tensor = net.final_layer(hidden[:, self.text.shape[1] :], embedded)
        return out


def denoise(
    model: LoadedModel,
    request: Request,
    *,
    on_step: Callable[[int, int], None],
    should_stop: Callable[[], bool],
) -> torch.Tensor:
    """Packed clean latents. Raises Cancelled within one step of ``should_stop`` turning true."""
    latents = noise(model, request)
    steps = timesteps(model, request, latents.shape[1])
    scheduler = model.pipeline.scheduler
    conditional = Velocity(model, request.text, request)
    unconditional = (
        Velocity(model, request.unconditional, request)
        if request.unconditional is not None and request.guidance > 0
        else None
    )
    for number, step in enumerate(steps, start=1):
        if should_stop():
            raise Cancelled
        time = (step / scheduler.config.num_train_timesteps).expand(latents.shape[0])
        time = time.to(latents.dtype)
        velocity = conditional(latents, time)
        if unconditional is not None:
            away = velocity - unconditional(latents, time)
            velocity = velocity + request.guidance * away
        latents = scheduler.step(velocity, step, latents, return_dict=False)[0]
        on_step(number, len(steps))
    return latents


def decode(model: LoadedModel, latents: torch.Tensor, *, width: int, height: int) -> torch.Tensor:
    """Pixels in -1..1, (images, 3, height, width), float32, from packed latents."""
    pipe = model.pipeline
    vae = pipe.vae
    grid = pipe._unpack_latents(latents, height, width).to(vae.dtype)  # noqa: SLF001
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean, device=grid.device, dtype=grid.dtype).view(shape)
    deviation = torch.tensor(vae.config.latents_std, device=grid.device, dtype=grid.dtype).view(
        shape
    )
    frames: torch.Tensor = vae.decode(grid * deviation + mean, return_dict=False)[0]
    return frames[:, :, 0].float()
