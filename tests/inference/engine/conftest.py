"""A random, very small pipeline of exactly the real classes."""

import pytest

torch = pytest.importorskip("torch", reason="the engine extra is not installed (make venv)")


@pytest.fixture(scope="session")
def random_pipeline() -> object:
    """Krea2Pipeline with random weights: two blocks, three tapped text layers."""
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        Krea2Pipeline,
        Krea2Transformer2DModel,
    )
    from transformers import Qwen3VLConfig, Qwen3VLModel

    from inference.engine.tiny import tokenizer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    words = tokenizer.build()
    transformer = Krea2Transformer2DModel(
        in_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=32,
        timestep_embed_dim=8,
        text_hidden_dim=16,
        num_text_layers=3,
        text_num_attention_heads=2,
        text_num_key_value_heads=1,
        text_intermediate_size=16,
        num_layerwise_text_blocks=1,
        num_refiner_text_blocks=1,
        axes_dims_rope=(4, 2, 2),
        rope_theta=1000.0,
    )
    for parameter in transformer.parameters():
        # The modulation tables start at zero; a test of equality needs every part to matter.
        parameter.data += 0.05 * torch.randn_like(parameter)
    vae = AutoencoderKLQwenImage(
        base_dim=24,
        z_dim=4,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1] * 4,
        latents_std=[1.3] * 4,
    )
    encoder = Qwen3VLModel(
        Qwen3VLConfig(
            text_config={
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "head_dim": 8,
                "vocab_size": len(words),
                "rope_scaling": {"rope_type": "default", "mrope_section": [2, 1, 1]},
            },
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 16,
            },
        )
    )
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.5,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=6400,
    )
    pipeline = Krea2Pipeline(
        scheduler,
        vae.eval(),
        encoder.eval(),
        words,
        transformer.eval(),
        text_encoder_select_layers=(0, 1, 2),
        is_distilled=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
