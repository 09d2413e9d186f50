"""Style references without training: keys and values of a picture, lent to the one that is drawn.

A reference is noised along one straight line with a fixed noise and runs through the transformer alone,
with an empty prompt; each block from the first quarter on keeps the keys and values of its image tokens.
The target's image tokens attend to those as well as to their own sequence, and the two answers are
mixed: (1 - s) own + s reference. No attention mask is needed, several references add up, and with no
strength nothing of this runs. What is kept depends on the reference, the size and the steps alone, so it
serves every later job of the same organization.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb

FIXED_SEED = 42
"""Of every reference's noise: what is kept must not depend on a job's seed."""
FIRST_BLOCK = 0.25
"""The share of blocks that stay untouched: they settle what is where (7 of Krea 2's 28)."""
WHOLE = 1.0

Pair = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of a reference's image tokens in one block: (1, tokens, heads, width) each."""


@dataclass(frozen=True)
class Picture:
    """One reference for one drawing: its place in the cache and its pixels, (3, height, width), -1..1."""

    key: str
    pixels: torch.Tensor


@dataclass(frozen=True)
class Style:
    """References and each one's share of the answer, together at most 1.

    ``until``: the share of the steps that they guide; the rest is drawn freely.
    """

    pictures: Sequence[Picture]
    shares: Sequence[float]
    until: float
    cache: "StyleCache"

    def guides(self, step: int, steps: int) -> bool:
        """Whether the references have a say in step ``step`` (from 0) of ``steps``."""
        return step < max(1, round(steps * self.until))


def shares_of(strengths: Sequence[float]) -> list[float]:
    """Each reference's share of the answer: its strength, scaled down where they exceed 1 together."""
    total = sum(strengths)
    return [strength / max(total, WHOLE) for strength in strengths]


class StyleCache:
    """Keys and values by reference, size, steps and step; the least used go first.

    In memory only, on the host, and never across organizations: their ids are in the keys. What does
    not fit is computed again, a forward for each step.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.hits = self.misses = self.bytes = 0
        self._kept: OrderedDict[str, list[Pair]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> list[Pair] | None:
        """The pairs of every block that takes part, or None."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                self.misses += 1
                return None
            self.hits += 1
            self._kept.move_to_end(key)
            return found

    def put(self, key: str, pairs: list[Pair], *, of: int) -> None:
        """Keep ``pairs``, one of as many as a reference has steps; none of them where they do not fit
        together: steps come in turn, so each would push out the one that is needed next."""
        size = size_of(pairs)
        if size * of > self.most_bytes:
            return
        with self._lock:
            self._kept[key] = [(on_host(keys), on_host(values)) for keys, values in pairs]
            self.bytes += size
            while self.bytes > self.most_bytes:
                _, gone = self._kept.popitem(last=False)
                self.bytes -= size_of(gone)


def size_of(pairs: Sequence[Pair]) -> int:
    """Bytes of ``pairs``."""
    return sum(part.numel() * part.element_size() for pair in pairs for part in pair)


def on_host(part: torch.Tensor) -> torch.Tensor:
    """``part`` where the cache keeps it; pinned where it came from a GPU, so that it returns fast."""
    return part.cpu().pin_memory() if part.is_cuda else part


def first_block(blocks: Sequence[Any]) -> int:
    """The first block in which references have a say."""
    return round(len(blocks) * FIRST_BLOCK)


def block_forward(
    block: Any,
    hidden: torch.Tensor,
    modulation: torch.Tensor,
    rotary: Pair,
    mask: torch.Tensor | None,
    *,
    lent: Sequence[tuple[Pair, float]] = (),
    image_tokens: int = 0,
) -> tuple[torch.Tensor, Pair]:
    """A transformer block as diffusers runs it, with ``lent`` keys and values for its image tokens.

    Gives its own keys and values back as well. Without ``lent`` the result is the block's own.
    """
    rows: torch.Tensor = modulation.unflatten(-1, (6, -1)) + block.scale_shift_table  # type: ignore[no-untyped-call]
    prescale, preshift, pregate, postscale, postshift, postgate = rows.unbind(-2)
    attended, own = attend(
        block.attn,
        (1.0 + prescale) * block.norm1(hidden) + preshift,
        rotary,
        mask,
        lent=lent,
        image_tokens=image_tokens,
    )
    hidden = hidden + pregate * attended
    fed = block.ff((1.0 + postscale) * block.norm2(hidden) + postshift)
    return hidden + postgate * fed, own


def attend(
    attn: Any,
    hidden: torch.Tensor,
    rotary: Pair,
    mask: torch.Tensor | None,
    *,
    lent: Sequence[tuple[Pair, float]],
    image_tokens: int,
) -> tuple[torch.Tensor, Pair]:
    """The block's attention; the image tokens, which are last, attend to what is lent as well."""
    query = attn.to_q(hidden).unflatten(-1, (attn.num_heads, attn.head_dim))
    keys = attn.to_k(hidden).unflatten(-1, (attn.num_kv_heads, attn.head_dim))
    values = attn.to_v(hidden).unflatten(-1, (attn.num_kv_heads, attn.head_dim))
    query = turned(attn.norm_q(query), rotary)
    keys = turned(attn.norm_k(keys), rotary)
    answer = dispatch_attention_fn(
        query, for_all_heads(attn, keys), for_all_heads(attn, values), attn_mask=mask
    )
    if lent:
        answer = mixed(attn, answer, query, lent, image_tokens)
    answer = answer.flatten(2, 3) * torch.sigmoid(attn.to_gate(hidden))
    out: torch.Tensor = attn.to_out[0](answer)
    return out, (keys, values)


def mixed(
    attn: Any,
    answer: torch.Tensor,
    query: torch.Tensor,
    lent: Sequence[tuple[Pair, float]],
    image_tokens: int,
) -> torch.Tensor:
    """``answer`` with the references' shares in its image tokens."""
    asking = query[:, -image_tokens:]
    rest = WHOLE - sum(share for _, share in lent)
    image = rest * answer[:, -image_tokens:]
    for (keys, values), share in lent:
        there, what = (
            for_all_heads(attn, part.to(query.device, non_blocking=True)).expand(
                query.shape[0], -1, -1, -1
            )
            for part in (keys, values)
        )
        image = image + share * dispatch_attention_fn(asking, there, what)
    return torch.cat([answer[:, :-image_tokens], image], dim=1)


def turned(part: torch.Tensor, rotary: Pair) -> torch.Tensor:
    """Queries or keys with their places in them."""
    # diffusers annotates the pair of cosines and sines as a tuple of one.
    out: torch.Tensor = apply_rotary_emb(part, rotary, sequence_dim=1)  # type: ignore[arg-type, assignment]
    return out


def for_all_heads(attn: Any, part: torch.Tensor) -> torch.Tensor:
    """Keys or values repeated for the query heads that share them."""
    groups = attn.num_heads // attn.num_kv_heads
    return part.repeat_interleave(groups, dim=2) if groups > 1 else part
