"""The tiny transformer, text encoder and scheduler: the classes of Krea 2 at a few million
parameters.
"""

from diffusers import FlowMatchEulerDiscreteScheduler, Krea2Transformer2DModel
from transformers import Qwen3VLConfig, Qwen3VLModel

TEXT_WIDTH = 128
SELECT_LAYERS = (1, 2, 4)
"""The text encoder's hidden states that condition the transformer (0 is the embedding)."""

TRANSFORMER = {
    "in_channels": 64,
    "num_layers": 6,
    "attention_head_dim": 32,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 512,
    "timestep_embed_dim": 64,
    "text_hidden_dim": TEXT_WIDTH,
    "num_text_layers": len(SELECT_LAYERS),
    "text_num_attention_heads": 4,
    "text_num_key_value_heads": 4,
    "text_intermediate_size": 256,
    "num_layerwise_text_blocks": 1,
    "num_refiner_text_blocks": 2,
    "axes_dims_rope": (8, 12, 12),
    "rope_theta": 1000.0,
}
TEXT = {
    "hidden_size": TEXT_WIDTH,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 4096,
    "rope_theta": 10000.0,
}
VISION = {
    "depth": 1,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "out_hidden_size": TEXT_WIDTH,
    "patch_size": 16,
    "num_position_embeddings": 16,
    "deepstack_visual_indexes": [0],
}
SCHEDULER = {
    "num_train_timesteps": 1000,
    "use_dynamic_shifting": True,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 6400,
}


def build_transformer():
    """A fresh tiny Krea2Transformer2DModel whose output layer starts at zero."""
    model = Krea2Transformer2DModel(**TRANSFORMER)
    model.final_layer.linear.weight.data.zero_()
    model.final_layer.linear.bias.data.zero_()
    return model


def build_text_encoder(vocabulary):
    """A fresh tiny Qwen3VLModel; its vision tower is the smallest the class allows and is never
    used.
    """
    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [4, 6, 6],
        "mrope_interleaved": True,
    }
    text = {**TEXT, "vocab_size": vocabulary, "rope_scaling": rope, "pad_token_id": None}
    return Qwen3VLModel(Qwen3VLConfig(text_config=text, vision_config=VISION))


def build_scheduler():
    """The scheduler of Krea 2: Euler steps with the resolution-aware exponential time shift."""
    return FlowMatchEulerDiscreteScheduler(**SCHEDULER)
