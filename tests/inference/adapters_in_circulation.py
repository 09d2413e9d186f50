"""One small adapter as the trainers in circulation would write it."""

import json
from collections.abc import Callable

import numpy as np

from inference.kernel.tensor_files import Array, write_tensors

MODULES = ("transformer_blocks.0.attn.to_q", "transformer_blocks.1.ff.down", "txt_in.linear_1")
PUBLISHED = {
    "transformer_blocks.0.attn.to_q": "blocks.0.attn.wq",
    "transformer_blocks.1.ff.down": "blocks.1.mlp.down",
    "txt_in.linear_1": "txtmlp.1",
}


def matrices(
    seed: int, shapes: dict[str, tuple[int, int]], *, rank: int = 4, size: float = 0.5
) -> dict[str, tuple[Array, Array]]:
    """A (rank, in) and B (out, rank) for each module of ``shapes`` (out, in)."""
    random = np.random.default_rng(seed)
    return {
        name: (
            (size * random.standard_normal((rank, width))).astype(np.float32),
            (size * random.standard_normal((height, rank))).astype(np.float32),
        )
        for name, (height, width) in shapes.items()
    }


def named(
    pairs: dict[str, tuple[Array, Array]],
    rename: Callable[[str], str],
    *,
    down: str = "lora_A",
    up: str = "lora_B",
    alpha: float | None = None,
) -> dict[str, Array]:
    """The tensors of a file whose module names are what ``rename`` makes of diffusers' names."""
    tensors: dict[str, Array] = {}
    for name, (a, b) in pairs.items():
        tensors[f"{rename(name)}.{down}.weight"] = a
        tensors[f"{rename(name)}.{up}.weight"] = b
        if alpha is not None:
            tensors[f"{rename(name)}.alpha"] = np.float32([alpha])
    return tensors


def peft(pairs: dict[str, tuple[Array, Array]], *, alpha: float | None = None) -> bytes:
    """As diffusers' trainer writes it: alpha in the metadata."""
    metadata = (
        {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": alpha})} if alpha else {}
    )
    return write_tensors(named(pairs, lambda name: f"transformer.{name}"), metadata)


def kohya(pairs: dict[str, tuple[Array, Array]], *, alpha: float) -> bytes:
    """As kohya's trainers write it, in the published checkpoint's names."""
    tensors = named(
        pairs,
        lambda name: "lora_unet_" + PUBLISHED.get(name, name).replace(".", "_"),
        down="lora_down",
        up="lora_up",
        alpha=alpha,
    )
    return write_tensors(tensors, {})
