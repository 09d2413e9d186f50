"""Training of the tiny autoencoder on crops of procedural scenes."""
# ruff: noqa: PLR2004, N812, FBT002  the shares are the recipe; F is the field's name

import copy
import math
import time

import numpy as np
import torch
import torch.nn.functional as F

from inference.engine.tiny import scenes
from inference.engine.tiny import vae as tiny_vae

CROP = 64
KL_WEIGHT = 5e-4
EDGE_WEIGHT = 1.0
LEARNING_RATE = 2e-3
NOISE = 0.0
"""Extra noise on the latents the decoder learns from, in units of a latent's deviation."""


class CropBank:
    """Rendered scenes kept in memory, from which crops around the objects are cut."""

    def __init__(self, count, seed):
        rng = np.random.default_rng(seed)
        self.items = [self._make(rng) for _ in range(count)]

    @staticmethod
    def _make(rng):
        side = int(rng.choice([128, 192, 256], p=[0.35, 0.2, 0.45]))
        scene = scenes.sample_scene(rng, canary=0.06)
        return scenes.render(scene, side, side), scenes.placement(scene, side, side)

    def crops(self, rng, batch):
        """A uint8 batch x CROP x CROP x 3 array of random crops, most of them on the object's
        rim."""
        cut = np.empty((batch, CROP, CROP, 3), dtype=np.uint8)
        for i in range(batch):
            picture, (cx, cy, radius) = self.items[rng.integers(len(self.items))]
            limit, reach = picture.shape[0] - CROP, radius * 1.1
            if rng.random() < 0.85:
                x, y = (c + rng.uniform(-reach, reach) - CROP / 2 for c in (cx, cy))
            else:
                x, y = rng.uniform(0, limit, 2)
            x, y = (int(np.clip(v, 0, limit)) for v in (x, y))
            cut[i] = picture[y : y + CROP, x : x + CROP]
        return cut


def to_tensor(pictures, device):
    """Uint8 n x h x w x 3 pictures as floats in -1..1, n x 3 x h x w, channels last in memory."""
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def reconstruction_loss(output, target):
    """L1 on the pixels and on their differences, which keeps edges crisp."""
    loss = F.l1_loss(output, target)
    for axis in (2, 3):
        loss = loss + EDGE_WEIGHT * F.l1_loss(output.diff(dim=axis), target.diff(dim=axis))
    return loss


def train(
    path, minutes, device="cpu", batch=32, bank=2500, resume=None, only_decoder=False, log=print
):
    """Trains for `minutes` and saves {"vae", "mean", "std"} at `path` every two minutes and at the
    end.
    """
    torch.manual_seed(0)
    vae = tiny_vae.build()
    if resume:
        vae.load_state_dict(torch.load(resume, weights_only=True)["vae"])
    vae.to(device)
    average = copy.deepcopy(vae)
    rng, data = np.random.default_rng(7), CropBank(bank, seed=7)
    log(f"vae: {bank} scenes rendered")
    parameters = list(tiny_vae.trainable(vae.decoder if only_decoder else vae))
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)

    def loss_of(pictures):
        with torch.autocast(device, dtype=torch.bfloat16):
            mean, log_variance = tiny_vae.encode(vae, pictures)
            latents = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            output = tiny_vae.decode(vae, latents)
        mean, log_variance = mean.float(), log_variance.float()
        kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
        reconstruction = reconstruction_loss(output.float(), pictures)
        return reconstruction + KL_WEIGHT * kl, reconstruction.detach(), kl.detach()

    step_loss = torch.compile(loss_of)
    start, step, saved = None, 0, time.time()
    while start is None or time.time() - start < minutes * 60:
        done = 0.0 if start is None else (time.time() - start) / (minutes * 60)
        rate = (
            LEARNING_RATE
            * min(1, (step + 1) / 50)
            * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, reconstruction, kl = step_loss(to_tensor(data.crops(rng, batch), device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        _average(average, vae, min(0.995, step / (step + 20)))
        step += 1
        start = start or time.time()
        if step % 25 == 0:
            spent, rec = time.time() - start, reconstruction.item()
            log(
                f"vae step {step} {spent:.0f}s loss {loss.item():.4f} rec {rec:.4f} kl {kl.item():.2f}"
            )
        if time.time() - saved > 60:
            _save(path, average, data, rng, device)
            saved = time.time()
    _save(path, average, data, rng, device)
    return average


@torch.no_grad()
def _average(average, model, decay):
    for a, p in zip(average.parameters(), model.parameters(), strict=True):
        a.lerp_(p, 1 - decay)


@torch.no_grad()
def _save(path, vae, data, rng, device):
    mean, _ = tiny_vae.encode(vae, to_tensor(data.crops(rng, 256), device))
    state = {
        "vae": vae.state_dict(),
        "mean": mean.mean((0, 2, 3)).cpu(),
        "std": mean.std((0, 2, 3)).cpu(),
    }
    torch.save(state, path)
