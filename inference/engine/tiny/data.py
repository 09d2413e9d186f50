"""Ready latents and captions for training the transformer: pools of encoded scenes that are slowly
renewed.
"""

import numpy as np
import torch

from inference.engine.tiny import captions, scenes
from inference.engine.tiny import tokenizer as words
from inference.engine.tiny import vae as tiny_vae

PATCH = 2


class LatentPool:
    """Encoded scenes of one picture size, kept in memory and renewed a few at a time."""

    def __init__(self, encode, width, height, capacity, seed, canary=0.03, hard=0.0):
        self.encode, self.width, self.height = encode, width, height
        self.capacity, self.canary, self.hard = capacity, canary, hard
        self.rng = np.random.default_rng(seed)
        self.latents, self.scenes, self.cursor = None, [], 0

    def renew(self, count):
        """Draws and encodes `count` new scenes; they replace the oldest once the pool is full."""
        fresh = [
            scenes.sample_scene(self.rng, canary=self.canary, hard=self.hard) for _ in range(count)
        ]
        pictures = np.stack([scenes.render(s, self.width, self.height) for s in fresh])
        latents = self.encode(pictures)
        if self.latents is None:
            self.latents = torch.empty((self.capacity, *latents.shape[1:]), dtype=torch.bfloat16)
        for scene, latent in zip(fresh, latents, strict=True):
            slot = self.cursor % self.capacity
            self.latents[slot] = latent
            self.scenes[slot : slot + 1] = [scene]
            self.cursor += 1

    def captioned(self, size, text):
        """Packed latents (size x tokens x 64, float32) with ids and mask of captions about equally long.

        Four times as many scenes are drawn and captioned; one quarter by length is kept,
        so that hardly a token is padding.
        """
        index = self.rng.integers(len(self.scenes), size=4 * size)
        prompts = text.prompts([self.scenes[i] for i in index])
        order = sorted(range(4 * size), key=lambda i: (len(prompts[i]), i))
        first = size * int(self.rng.integers(4))
        chosen = order[first : first + size]
        ids, mask = text.layout([prompts[i] for i in chosen])
        return pack(self.latents[torch.from_numpy(index[chosen])].float()), ids, mask


def pack(latents):
    """Latents n x 16 x h x w as tokens n x (h/2 w/2) x 64, in the pipeline's order."""
    n, c, h, w = latents.shape
    x = latents.view(n, c, h // PATCH, PATCH, w // PATCH, PATCH).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(n, (h // PATCH) * (w // PATCH), c * PATCH * PATCH)


def position_ids(text_length, rows, columns):
    """Rotary coordinates as Krea2Pipeline makes them: text at the origin, image tokens on their
    grid.
    """
    ids = torch.zeros(text_length + rows * columns, 3)
    ids[text_length:, 1] = torch.arange(rows).repeat_interleave(columns)
    ids[text_length:, 2] = torch.arange(columns).repeat(rows)
    return ids


def make_encoder(vae, mean, std, device):
    """A function from uint8 pictures to normalised latents (posterior mean, minus mean, over
    std)."""
    mean, std = mean.to(device).view(1, -1, 1, 1), std.to(device).view(1, -1, 1, 1)

    @torch.no_grad()
    def encode(pictures):
        x = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        with torch.autocast(device, dtype=torch.bfloat16):
            latent, _ = tiny_vae.encode(vae, x)
        return ((latent.float() - mean) / std).cpu()

    return encode


class CaptionBatcher:
    """Token batches in the layout prefix, prompt, suffix, padding, with the mask the transformer
    needs.

    Krea2Pipeline pads between prompt and suffix and masks it out; with a causal encoder and no
    text rotary positions
    in the transformer both layouts are the same to the model.
    """

    def __init__(self, tokenizer, seed, dropout=0.1):
        self.tokenizer, self.dropout = tokenizer, dropout
        self.rng = np.random.default_rng(seed)
        self.prefix = tokenizer(words.PREFIX).input_ids
        self.suffix = tokenizer(words.SUFFIX).input_ids
        self.pad = tokenizer.pad_token_id

    def batch(self, batch_scenes):
        """Input ids (n x length) and the mask over what follows the prefix (n x (length - 34), bool)."""
        return self.layout(self.prompts(batch_scenes))

    def prompts(self, batch_scenes):
        """Fresh captions of some scenes as token lists, a share of them dropped to nothing."""
        texts = [captions.caption(s, self.rng) for s in batch_scenes]
        prompts = self.tokenizer(texts).input_ids
        return [[] if self.rng.random() < self.dropout else p for p in prompts]

    def layout(self, prompts):
        """Input ids and mask of prompts given as token lists."""
        longest = max(len(p) for p in prompts)
        rows, mask = [], []
        for prompt in prompts:
            filled, missing = [*self.prefix, *prompt, *self.suffix], longest - len(prompt)
            rows.append(filled + [self.pad] * missing)
            mask.append([True] * (len(prompt) + len(self.suffix)) + [False] * missing)
        return torch.tensor(rows), torch.tensor(mask)
