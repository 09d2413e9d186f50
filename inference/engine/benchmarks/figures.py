"""Single figures of the prepared engine: the denoise loop, the VAE, an adapter."""

from collections.abc import Callable
from typing import Any

import torch

from inference.engine.benchmarks.work import TERA, best_seconds, forward_flop
from inference.engine.denoise import Request, denoise
from inference.engine.drawing import warm_up
from inference.engine.loading import prepare
from inference.engine.model import LoadedModel, inference_mode
from inference.engine.slots import SlotBank
from inference.engine.text import encode_text
from inference.engine.vae import decode

TOKENS = 8192
ADAPTER_RANK = 32
STEPS = 8
ROUNDS = 3
PROMPT = "a large red circle on a blue background, in the style of an old woodcut"


def prepared_model(pipeline: Any, *, report: Callable[[str], None]) -> LoadedModel:
    """The pipeline as the engine serves it: no vision tower, 2D VAE, slots, compiled on a GPU."""
    device = pipeline.transformer.device
    prepare(pipeline, device)
    bank = SlotBank(pipeline.transformer, slots=2, rank=ADAPTER_RANK)
    if device.type == "cuda":
        report("compiling the repeated transformer block")
        pipeline.transformer.compile_repeated_blocks(fullgraph=True, dynamic=True)
    model = LoadedModel(
        pipeline, "bench", device, pipeline.transformer.img_in.weight.dtype, slots=bank
    )
    warm_up(model, 512 if device.type == "cuda" else 64, images=(1, 2))
    return model


def drawing(model: LoadedModel, side: int, slot: int = 0) -> Callable[[], torch.Tensor]:
    """A call that denoises one picture, text already encoded."""
    with inference_mode():
        text = encode_text(model, PROMPT, slot=slot)
    request = Request([text], None, side, side, STEPS, 0.0, [1], [slot])

    def draw() -> torch.Tensor:
        with inference_mode():
            return denoise(
                model, request, on_step=lambda _step, _of: None, should_stop=lambda: False
            )

    return draw


def denoise_tflops(model: LoadedModel, side: int) -> float:
    """Useful TFLOP/s of the denoise loop: work by the formula over the time of the whole loop."""
    with inference_mode():
        tokens = model.image_tokens(side, side) + encode_text(model, PROMPT).tokens
    flop = STEPS * forward_flop(model.pipeline.transformer, tokens)
    return flop / best_seconds(drawing(model, side), rounds=ROUNDS) / TERA


def vae_2d_to_3d(model: LoadedModel, vae_3d: Any, side: int) -> float:
    """Time of decoding one picture through the 2D convolutions, over the untouched 3D ones'."""
    latents = drawing(model, side)()
    pipeline = model.pipeline
    flat = pipeline.vae

    def decoded() -> torch.Tensor:
        with inference_mode():
            return decode(model, latents, width=side, height=side)

    in_2d = best_seconds(decoded, rounds=ROUNDS)
    pipeline.vae = vae_3d
    try:
        return in_2d / best_seconds(decoded, rounds=ROUNDS)
    finally:
        pipeline.vae = flat


def adapter_slowdown(model: LoadedModel, side: int) -> float:
    """Time of a drawing with an adapter of rank 32 on every module, over one without."""
    assert model.slots is not None
    pairs = {
        name: (
            torch.randn(ADAPTER_RANK, module.in_features) * 0.01,
            torch.randn(module.out_features, ADAPTER_RANK) * 0.01,
        )
        for name, module in model.slots.modules.items()
    }
    slot = model.slots.acquire("bench", [(pairs, 1.0)])
    try:
        with_adapter = best_seconds(drawing(model, side, slot), rounds=ROUNDS)
        return with_adapter / best_seconds(drawing(model, side), rounds=ROUNDS)
    finally:
        model.slots.release("bench")
