"""Turns exported folders back into a run's files, so that training goes on where it was shipped."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

TENSORS = "diffusion_pytorch_model.safetensors"


def reopen(weights, out):
    """Writes vae.pt, text.pt, raw.pt, turbo.pt and the tokenizer to `out` from the folders under
    `weights`.

    Weights come back as float32 of what was shipped (bf16); optimiser states do not.
    """
    folders = {v: Path(weights) / f"krea-2-tiny-{v}" for v in ("raw", "turbo")}
    shutil.copytree(folders["raw"] / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    config = json.loads((folders["raw"] / "vae" / "config.json").read_text())
    vae = {
        "vae": _floats(folders["raw"] / "vae" / TENSORS),
        "mean": torch.tensor(config["latents_mean"]),
        "std": torch.tensor(config["latents_std"]),
    }
    torch.save(vae, out / "vae.pt")
    text = _floats(folders["raw"] / "text_encoder" / "model.safetensors")
    torch.save({"text_encoder": text}, out / "text.pt")
    earlier = 0
    for variant, folder in folders.items():
        seen = json.loads((folder / "licet.json").read_text())["training_samples"]
        state = {f"text_encoder.{k}": v for k, v in text.items()}
        state |= {
            f"transformer.{k}": v for k, v in _floats(folder / "transformer" / TENSORS).items()
        }
        run = {"model": state, "average": state, "step": 0, "samples": seen - earlier}
        torch.save(run, out / f"{variant}.pt")
        earlier = seen


def _floats(path):
    return {k: v.float() for k, v in load_file(path).items()}
