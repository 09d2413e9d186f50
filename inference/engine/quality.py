"""Does the model draw what was asked? Measured on the pixels of held-out captions."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from inference.engine.denoise import Request, denoise
from inference.engine.loading import load_model
from inference.engine.model import LoadedModel, inference_mode
from inference.engine.text import encode_text
from inference.engine.tiny.evaluate import evaluate
from inference.engine.vae import decode, to_bytes


def evaluate_model(
    source: str,
    *,
    captions: int,
    seed: int,
    steps: int,
    guidance: float,
    side: int,
    threads: int,
    report: Callable[[str], None],
) -> dict[str, float]:
    """Shares from 0 to 1 of ``captions`` held-out captions drawn right, through the serving loop.

    ``side`` in px. Deterministic by ``seed``. Raises ModelNotLoaded.
    """
    model = load_model(source, threads=threads, report=report)
    done = 0

    def generate(prompt: str, number: int) -> NDArray[np.uint8]:
        nonlocal done
        done += 1
        report(f"caption {done} of {captions}")
        return draw(model, prompt, seed=number, steps=steps, guidance=guidance, side=side)

    shares: dict[str, float] = evaluate(generate, captions=captions, seed=seed, side=side)
    return shares


def draw(
    model: LoadedModel, prompt: str, *, seed: int, steps: int, guidance: float, side: int
) -> NDArray[np.uint8]:
    """One picture of a trusted caption, (side, side, 3); for measuring, never for delivery."""
    with inference_mode():
        request = Request(
            texts=[encode_text(model, prompt)],
            unconditional=encode_text(model, "") if guidance > 0 else None,
            width=side,
            height=side,
            steps=steps,
            guidance=guidance,
            seeds=[seed],
        )
        latents = denoise(
            model, request, on_step=lambda _step, _of: None, should_stop=lambda: False
        )
        picture, _ = to_bytes(decode(model, latents, width=side, height=side))
        result: NDArray[np.uint8] = picture[0].cpu().numpy()
        return result
