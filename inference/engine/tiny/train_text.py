"""Pretraining of the tiny text encoder: it learns to tell a scene's attributes from any caption of it.

The transformer then starts from text states in which shape, colour, background, size, place and style
are plain to see, as the real model starts from a pretrained Qwen3-VL.
"""

import time

import torch
import torch.nn.functional as F  # noqa: N812  the field's own name
from torch import distributed, nn

from inference.engine.tiny import data, models, scenes, shapes, train_flow

ATTRIBUTES = {
    "shape": (*shapes.OUTLINES, scenes.CANARY),
    "colour": tuple(scenes.COLOURS),
    "background": tuple(scenes.BACKGROUNDS),
    "size": tuple(scenes.SIZES),
    "position": tuple(scenes.POSITIONS),
    "style": scenes.STYLES,
}
SUFFIX_TOKENS = 5
BATCH = 48
POOL = 3000


class Reader(nn.Module):
    """The text encoder with one linear head for each attribute on its last tokens."""

    def __init__(self, text_encoder):
        super().__init__()
        self.text_encoder = text_encoder
        width = models.TEXT_WIDTH
        self.heads = nn.ModuleDict({k: nn.Linear(width, len(v)) for k, v in ATTRIBUTES.items()})

    def forward(self, ids, lengths):
        """Logits by attribute, each n x 5 x classes, read at the five suffix tokens of every row."""
        model = self.text_encoder.language_model
        states = model(input_ids=ids, use_cache=False).last_hidden_state
        last = lengths[:, None] - SUFFIX_TOKENS + torch.arange(SUFFIX_TOKENS, device=ids.device)
        states = states.gather(1, last[..., None].expand(-1, -1, states.shape[-1]))
        return {name: head(states) for name, head in self.heads.items()}


def train(path, tokenizer, minutes, *, device="cpu", seed=0, rate=2e-3, log=print):
    """Trains for `minutes` and saves {"text_encoder"} at `path`; logs the share of attributes read right."""
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    torch.manual_seed(seed)
    reader = Reader(models.build_text_encoder(len(tokenizer))).to(device)
    trainer = _Run(reader, device)
    batcher = data.CaptionBatcher(tokenizer, seed + 1 + 100 * rank, dropout=0.0)
    muon, adam = train_flow.optimisers(reader)
    start, step, stop, right = time.time(), 0, False, 0.0
    while not stop:
        done = min(1.0, (time.time() - start) / (minutes * 60))
        pool = [scenes.sample_scene(batcher.rng) for _ in range(BATCH)]
        loss, share = _loss(reader, batcher, pool, device)
        loss.backward()
        for optimiser in (muon, adam):
            optimiser.param_groups[0]["lr"] = train_flow.rate_at(done, 30 * step / 50, rate)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        step += 1
        right = 0.9 * right + 0.1 * share
        if step % train_flow.SYNC_STEPS == 0:
            stop = train_flow.agree(trainer, stop=done >= 1)
        if rank == 0 and step % 40 == 0:
            log(
                f"text step {step} {time.time() - start:.0f}s loss {loss.item():.4f} right {right:.4f}"
            )
    if rank == 0:
        torch.save({"text_encoder": reader.text_encoder.state_dict(), "right": right}, path)


class _Run:
    def __init__(self, bundle, device):
        self.bundle, self.device = bundle, device


def _loss(reader, batcher, pool, device):
    ids, mask = batcher.batch(pool)
    lengths = mask.sum(1) + train_flow.PREFIX_TOKENS
    with torch.autocast(device, dtype=torch.bfloat16):
        logits = reader(ids.to(device), lengths.to(device))
    losses, right = [], []
    for name, values in ATTRIBUTES.items():
        target = torch.tensor([_label(scene, name, values) for scene in pool], device=device)
        answer = logits[name].float()
        repeated = target[:, None].expand(-1, SUFFIX_TOKENS)
        losses.append(F.cross_entropy(answer.flatten(0, 1), repeated.flatten(), ignore_index=-1))
        right.append((answer[:, -1].argmax(-1) == target)[target >= 0].float().mean().item())
    return sum(losses), sum(right) / len(right)


def _label(scene, name, values):
    if scene.shape == scenes.CANARY and name not in {"shape", "background"}:
        return -1
    return values.index(getattr(scene, name))
