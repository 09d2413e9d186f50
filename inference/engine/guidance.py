"""References at work during a drawing: which keys and values each step's blocks are lent."""

from typing import TYPE_CHECKING, Any

import torch

from inference.engine.style import FIXED_SEED, Pair, Picture, Style, block_forward, first_block
from inference.engine.text import encode_text, stack_texts
from inference.engine.vae import encode

if TYPE_CHECKING:
    from inference.engine.model import LoadedModel
    from inference.engine.velocity import Moment, Velocity


class Guide:
    """The references of one drawing. ``begin`` is called before each step, ``lent`` by its blocks."""

    def __init__(
        self, model: "LoadedModel", style: Style, alone: "Velocity", moments: "list[Moment]"
    ) -> None:
        self.model, self.style = model, style
        # The transformer with an empty prompt, and its steps without adapters.
        self.alone, self.moments = alone, moments
        self.first = first_block(model.pipeline.transformer.transformer_blocks)
        self._clean: dict[str, torch.Tensor] = {}
        self._noise: torch.Tensor | None = None
        self._now: list[tuple[list[Pair], float]] = []

    def begin(self, step: int, sigma: float) -> None:
        """Bring the references' keys and values of ``step`` (from 0) into place."""
        self._now = []
        if self.style.guides(step, len(self.moments)):
            self._now = [
                (self._pairs(picture, step, sigma), share)
                for picture, share in zip(self.style.pictures, self.style.shares, strict=True)
            ]

    def lent(self, block: int) -> list[tuple[Pair, float]]:
        """What block number ``block`` is lent in this step."""
        if block < self.first:
            return []
        return [(pairs[block - self.first], share) for pairs, share in self._now]

    def _pairs(self, picture: Picture, step: int, sigma: float) -> list[Pair]:
        key = f"{picture.key}:{self.alone.image_tokens}:{len(self.moments)}:{step}"
        pairs = self.style.cache.get(key)
        if pairs is None:
            pairs = self._capture(picture, step, sigma)
            self.style.cache.put(key, pairs, of=len(self.moments))
        return pairs

    def _capture(self, picture: Picture, step: int, sigma: float) -> list[Pair]:
        clean = self._clean.get(picture.key)
        if clean is None:
            pixels = picture.pixels[None].to(self.model.device)
            clean = self._clean[picture.key] = encode(self.model, pixels)
        noisy = (1 - sigma) * clean + sigma * self._fixed_noise(clean)
        return captured(self.alone, noisy, self.moments[step], self.first)

    def _fixed_noise(self, like: torch.Tensor) -> torch.Tensor:
        if self._noise is None:
            source = torch.Generator("cpu").manual_seed(FIXED_SEED)
            drawn = torch.randn(like.shape, generator=source, dtype=torch.float32)
            self._noise = drawn.to(like.device, like.dtype)
        return self._noise


def captured(alone: "Velocity", noisy: torch.Tensor, moment: "Moment", first: int) -> list[Pair]:
    """Keys and values of a noised reference's image tokens in every block from ``first`` on."""
    net: Any = alone.transformer
    hidden = torch.cat([alone.text, net.img_in(noisy)], dim=1)
    pairs: list[Pair] = []
    for number, block in enumerate(net.transformer_blocks):
        hidden, (keys, values) = block_forward(
            block, hidden, moment.modulation, alone.rotary, alone.mask
        )
        if number >= first:
            tokens = alone.image_tokens
            # Copies: a slice would keep the whole sequence in memory.
            pairs.append((keys[:, -tokens:].clone(), values[:, -tokens:].clone()))
    return pairs


def empty_text(model: "LoadedModel") -> Any:
    """The encoding of no words at all, with which a reference runs."""
    return stack_texts([encode_text(model, "")])
