"""Writes a trained run as a folder of Krea 2's layout, loadable by
DiffusionPipeline.from_pretrained.
"""

import json
import shutil
from pathlib import Path

import torch
from diffusers import Krea2Pipeline

from inference.engine.tiny import evaluate, models
from inference.engine.tiny import vae as tiny_vae

LEAST_STD = 0.25
"""Latent channels that hardly vary are not blown up: their deviation counts as at least this."""
NAMES = {"turbo": "Krea-2-Tiny-Turbo", "raw": "Krea-2-Tiny-Raw"}


def normalisation(state):
    """The latents' mean and clamped deviation of a saved autoencoder run."""
    return state["mean"], state["std"].clamp(min=LEAST_STD)


def export(folder, variant, vae_state, weights, tokenizer, facts=None):
    """Writes the pipeline (bf16 safetensors) and licet.json to `folder`, replacing what is there.

    `variant` is "turbo" or "raw", `vae_state` what train_vae saved, `weights` the running average
    that train_flow
    saved, `facts` more keys for licet.json, or other values for the usual ones.
    """
    pipeline = assemble(variant, vae_state, weights, tokenizer).to(torch.bfloat16)
    target, fresh = Path(folder), Path(f"{folder}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline.save_pretrained(fresh)
    _declare_float32(fresh / "text_encoder" / "config.json")
    (fresh / "licet.json").write_text(
        json.dumps(_card(variant, pipeline, facts or {}), indent=2) + "\n"
    )
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def assemble(variant, vae_state, weights, tokenizer):
    """A Krea2Pipeline in memory from trained states."""
    autoencoder = tiny_vae.build()
    autoencoder.load_state_dict(vae_state["vae"])
    mean, std = normalisation(vae_state)
    autoencoder.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())
    transformer, encoder = models.build_transformer(), models.build_text_encoder(len(tokenizer))
    transformer.load_state_dict(_part(weights, "transformer."))
    encoder.load_state_dict(_part(weights, "text_encoder."))
    for name, parameter in encoder.named_parameters():
        if name.startswith("visual."):
            parameter.data.zero_()
    return Krea2Pipeline(
        scheduler=models.build_scheduler(),
        vae=autoencoder.eval(),
        text_encoder=encoder.eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
        text_encoder_select_layers=models.SELECT_LAYERS,
        is_distilled=variant == "turbo",
    )


def _part(weights, prefix):
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def _declare_float32(path):
    """Transformers loads in the dtype a config names, diffusers in float32: naming float32 makes
    them agree.
    """
    config = json.loads(path.read_text())
    config["dtype"] = "float32"
    for part in ("text_config", "vision_config"):
        if "dtype" in config.get(part, {}):
            config[part]["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2) + "\n")


def _card(variant, pipeline, facts):
    steps, guidance = evaluate.sampling(pipeline)
    return {
        "name": NAMES[variant], "variant": variant, "steps": steps, "guidance": guidance,
        "min_side": 64, "max_side": 1024, "default_side": 256, "trained_on": "procedural scenes",
        "contains_krea_weights": False, **facts,
    }  # fmt: skip
