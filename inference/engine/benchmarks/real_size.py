"""Krea 2 at its real size with random weights, built on the device: speed needs no trained weights."""

from typing import Any

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    Krea2Pipeline,
    Krea2Transformer2DModel,
)
from transformers import Qwen3VLConfig, Qwen3VLModel

from inference.engine.tiny import models
from inference.engine.tiny import tokenizer as words

# The published sizes of Qwen3-VL-4B's language model; the vision tower is dropped before serving.
TEXT = {
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 262144,
    "rope_scaling": {
        "rope_type": "default",
        "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
    },
    "rope_theta": 5000000.0,
}
VISION = {**models.VISION, "out_hidden_size": 2560}


def real_pipeline(device: torch.device, *, dtype: torch.dtype = torch.bfloat16) -> Any:
    """Krea2Pipeline of 12.8 billion parameters, is_distilled, in ``dtype`` on ``device``."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            transformer: Any = Krea2Transformer2DModel()
            vae: Any = AutoencoderKLQwenImage()
            text_encoder = Qwen3VLModel(Qwen3VLConfig(text_config=TEXT, vision_config=VISION))
    finally:
        torch.set_default_dtype(before)
    keep_norms_in_float32(transformer)
    pipeline: Any = Krea2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**models.SCHEDULER),
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=words.build(),
        transformer=transformer.eval(),
        is_distilled=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def keep_norms_in_float32(transformer: Any) -> None:
    """As ``from_pretrained`` does for the modules that the class names."""
    for name, module in transformer.named_modules():
        if name.rsplit(".", 1)[-1] in transformer._keep_in_fp32_modules:  # noqa: SLF001 (its own list)
            module.float()
