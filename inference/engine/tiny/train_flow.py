"""Training of the tiny transformer and its text encoder by flow matching (target: noise minus
clean latent).
"""
# ruff: noqa: PLR2004, FBT003  the shares are the recipe; F is the field's name

import copy
import time
from pathlib import Path

import torch
from diffusers.models.embeddings import apply_rotary_emb
from torch import distributed, nn

from inference.engine.tiny import data, models

SIZES = ((128, 128), (256, 256), (256, 192), (192, 256), (192, 192))
LEARNING_RATE = 1.5e-3
MUON_PARTS = ("transformer_blocks.", "text_fusion.", "language_model.layers.")
PREFIX_TOKENS = 34
SYNC_STEPS = 8
"""Several processes average their weights every so many steps."""
SAVE_SECONDS = 180


class PlainAttention:
    """Krea2AttnProcessor written as matrix products: faster to train on a CPU than its fused
    kernel, same numbers.
    """

    _attention_backend = None
    _parallel_config = None

    def __call__(self, attn, hidden_states, attention_mask=None, image_rotary_emb=None):
        """The attention block's output for n x tokens x width states; `attention_mask` is n x 1 x
        1 x tokens.
        """
        query = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, (attn.num_heads, attn.head_dim)))
        key = attn.norm_k(
            attn.to_k(hidden_states).unflatten(-1, (attn.num_kv_heads, attn.head_dim))
        )
        value = attn.to_v(hidden_states).unflatten(-1, (attn.num_kv_heads, attn.head_dim))
        if image_rotary_emb is not None:
            query = apply_rotary_emb(query, image_rotary_emb, sequence_dim=1)
            key = apply_rotary_emb(key, image_rotary_emb, sequence_dim=1)
        groups = attn.num_heads // attn.num_kv_heads
        query, key, value = (
            x.repeat_interleave(r, dim=2).transpose(1, 2)
            for x, r in ((query, 1), (key, groups), (value, groups))
        )
        scores = (query @ key.transpose(-1, -2)).float() * attn.head_dim**-0.5
        if attention_mask is not None:
            scores = scores + torch.where(attention_mask, 0.0, -1e9)
        mixed = (scores.softmax(-1).to(value.dtype) @ value).transpose(1, 2).flatten(2, 3)
        return attn.to_out[0](mixed * torch.sigmoid(attn.to_gate(hidden_states)))


class Bundle(nn.Module):
    """The transformer that learns and the pretrained text encoder that it listens to."""

    def __init__(self, transformer, text_encoder):
        super().__init__()
        self.transformer, self.text_encoder = transformer, text_encoder

    @torch.no_grad()
    def text_states(self, ids):
        """The tapped hidden states after the template's prefix: n x tokens x layers x width."""
        output = self.text_encoder.language_model(
            input_ids=ids, output_hidden_states=True, use_cache=False
        )
        return torch.stack([output.hidden_states[i] for i in models.SELECT_LAYERS], dim=2)[
            :, PREFIX_TOKENS:
        ]

    def forward(self, noisy, times, ids, mask, positions):
        """The velocity the transformer predicts, n x tokens x 64."""
        return self.transformer(
            hidden_states=noisy,
            encoder_hidden_states=self.text_states(ids),
            timestep=times,
            position_ids=positions,
            encoder_attention_mask=mask,
            return_dict=False,
        )[0]


def sample_times(count, generator, turbo):
    """Times in (0, 1), uniform before the exponential shift: mu 1.15 for turbo, 0.5 to 1.15 for
    raw.
    """
    u = torch.rand(count, generator=generator).clamp(1e-4, 1 - 1e-4)
    if turbo:
        mu = torch.full((count,), 1.15)
        grid = torch.linspace(1, 1 / 8, 8)[torch.randint(8, (count,), generator=generator)]
        u = torch.where(torch.rand(count, generator=generator) < 0.75, grid, u)
    else:
        mu = torch.where(torch.rand(count, generator=generator) < 0.6, 1.15, 0.5)
    return mu.exp() / (mu.exp() + 1 / u - 1)


def optimisers(bundle):
    """Muon for the hidden matrices, AdamW for embeddings, norms, tables and the outer layers."""
    hidden, rest = [], []
    for name, parameter in bundle.named_parameters():
        if ".visual." in name or not parameter.requires_grad:
            continue
        is_hidden = (
            parameter.ndim == 2 and any(p in name for p in MUON_PARTS) and "table" not in name
        )
        (hidden if is_hidden and min(parameter.shape) > 1 else rest).append(parameter)
    muon = torch.optim.Muon(
        hidden, lr=LEARNING_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"
    )
    adam = torch.optim.AdamW(rest, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    return muon, adam


class Trainer:
    """One training run: networks, their running average, optimisers, pools and the clock."""

    def __init__(
        self,
        encode,
        tokenizer,
        *,
        turbo=False,
        device="cpu",
        batch_tokens=4096,
        seed=0,
        start=None,
        lr=LEARNING_RATE,
        hard=0.0,
    ):
        torch.manual_seed(seed)
        rank = distributed.get_rank() if distributed.is_initialized() else 0
        self.world = distributed.get_world_size() if distributed.is_initialized() else 1
        self.device, self.turbo, self.batch_tokens, self.lr = device, turbo, batch_tokens, lr
        self.bundle = Bundle(models.build_transformer(), models.build_text_encoder(len(tokenizer)))
        if start:
            self.bundle.load_state_dict(start, strict=False)
        self.bundle.to(device).text_encoder.requires_grad_(False)
        self.average = copy.deepcopy(self.bundle).requires_grad_(False)
        self.muon, self.adam = optimisers(self.bundle)
        self.text = data.CaptionBatcher(
            tokenizer, seed + 1 + 100 * rank, dropout=0.0 if turbo else 0.08
        )
        self.generator = torch.Generator().manual_seed(seed + 2 + 100 * rank)
        self.pools = {
            s: data.LatentPool(
                encode,
                *s,
                12000 if s == (128, 128) else 8000,
                seed + 10 + i + 100 * rank,
                hard=hard,
            )
            for i, s in enumerate(SIZES)
        }
        self.step, self.samples = 0, 0
        for module in self.bundle.transformer.modules():
            if hasattr(module, "set_processor") and device == "cpu":
                module.set_processor(PlainAttention())
        if device == "cpu":
            self.bundle.transformer.compile_repeated_blocks(dynamic=True)
        else:
            self.bundle.transformer.compile(dynamic=True)

    def train_step(self, size, rate):
        """One step on pictures of one size; returns the loss."""
        rows, columns = size[1] // 16, size[0] // 16
        count = max(4, self.batch_tokens // (rows * columns))
        clean, ids, mask = self.pools[size].captioned(count, self.text)
        noise = torch.randn(clean.shape, generator=self.generator)
        times = sample_times(count, self.generator, self.turbo)
        noisy = clean + times.view(-1, 1, 1) * (noise - clean)
        positions = data.position_ids(mask.shape[1], rows, columns)
        arguments = [x.to(self.device) for x in (noisy, times, ids, mask, positions)]
        with torch.autocast(self.device, dtype=torch.bfloat16):
            velocity = self.bundle(*arguments)
        loss = (velocity.float() - (noise - clean).to(self.device)).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.adam.param_groups[0]["params"], 1.0)
        for optimiser in (self.muon, self.adam):
            optimiser.param_groups[0]["lr"] = rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.samples += count * self.world
        self._update_average(min(0.998, self.step / (self.step + 30)))
        return loss.item()

    @torch.no_grad()
    def _update_average(self, decay):
        mine = list(self.average.parameters())
        torch._foreach_lerp_(mine, [p.data for p in self.bundle.parameters()], 1 - decay)

    def save(self, path):
        """Writes weights, running average and optimiser states, so that a later run can go on."""
        plain = {k.replace("._orig_mod", ""): v for k, v in self.bundle.state_dict().items()}
        state = {"model": plain, "average": self.average.state_dict(), "step": self.step,
        "samples": self.samples,
                 "muon": self.muon.state_dict(), "adam": self.adam.state_dict()}  # fmt: skip
        torch.save(state, f"{path}.part")
        Path(f"{path}.part").replace(path)

    def load(self, path):
        """Continues from a file that `save` or `reopen` wrote (the latter has no optimisers)."""
        state = torch.load(path, weights_only=True, map_location=self.device)
        self.bundle.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        if "muon" in state:
            self.muon.load_state_dict(state["muon"])
            self.adam.load_state_dict(state["adam"])
        self.step, self.samples = state["step"], state["samples"]


def mixture(done, *, turbo, native):
    """Shares of the picture sizes at a point of the run: small ones first, the native size last."""
    if native == 128:
        return (1.0, 0.0, 0.0, 0.0, 0.0)
    if turbo:
        return (0.2, 0.56, 0.08, 0.08, 0.08)
    if done < 0.45:
        return (1.0, 0.0, 0.0, 0.0, 0.0)
    if done < 0.65:
        return (0.6, 0.28, 0.04, 0.04, 0.04)
    return (0.25, 0.51, 0.08, 0.08, 0.08)


def rate_at(done, seconds, peak):
    """The learning rate: a short warm-up, a plateau, then down to 2 % over the last 40 % of the
    run.
    """
    return peak * min(1.0, (seconds + 2) / 30) * min(1.0, 0.02 + (1 - done) / 0.4)


def agree(trainer, stop):
    """Averages the weights of all training processes (local SGD); returns whether any of them
    wants to stop.
    """
    if not distributed.is_initialized():
        return stop
    weights = [p.data for p in trainer.bundle.parameters()]
    flat = torch.cat(
        [*(w.flatten() for w in weights), torch.tensor([float(stop)], device=trainer.device)]
    )
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for weight, part in zip(weights, flat[:-1].split([w.numel() for w in weights]), strict=True):
        weight.copy_(part.view_as(weight))
    return bool(flat[-1] > 0)


def run(trainer, path, minutes, *, native=256, fill=768, renew=4, log=print):
    """Trains for `minutes`, renewing the pools on the way; the first process saves every four
    minutes and at the end.
    """
    first = not distributed.is_initialized() or distributed.get_rank() == 0
    chooser = torch.Generator().manual_seed(trainer.step + 5)
    start = saved = time.time()
    recent, stop = {}, False
    while not stop:
        seconds = time.time() - start
        done = min(1.0, seconds / (minutes * 60))
        size = SIZES[
            int(
                torch.multinomial(
                    torch.tensor(mixture(done, turbo=trainer.turbo, native=native)),
                    1,
                    generator=chooser,
                )
            )
        ]
        pool, relative = trainer.pools[size], 128 * 128 / (size[0] * size[1])
        pool.renew(max(1, round((renew if pool.scenes else fill) * relative)))
        loss = trainer.train_step(size, rate_at(done, seconds, trainer.lr))
        recent[size] = 0.95 * recent.get(size, loss) + 0.05 * loss
        if trainer.step % SYNC_STEPS == 0:
            stop = agree(trainer, stop=done >= 1)
        if first and trainer.step % 16 == 0:
            losses = " ".join(f"{w}x{h} {v:.4f}" for (w, h), v in sorted(recent.items()))
            log(f"step {trainer.step} samples {trainer.samples} {seconds:.0f}s {losses}")
        if first and (stop or time.time() - saved > SAVE_SECONDS):
            trainer.save(path)
            saved = time.time()
