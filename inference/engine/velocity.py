"""The transformer of one drawing: texts, sizes and times in place before the first step."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from inference.engine.guidance import Guide
from inference.engine.model import LoadedModel
from inference.engine.style import block_forward
from inference.engine.text import TextBatch


@dataclass(frozen=True)
class Moment:
    """One step's time in the transformer's width, (1 or images, 1, hidden), and its modulation."""

    embedded: torch.Tensor
    modulation: torch.Tensor


def moments(
    model: LoadedModel, times: torch.Tensor, dtype: torch.dtype, *, images: int | None = None
) -> list[Moment]:
    """The embedding and modulation of each of ``times`` (0 to 1), before the first step.

    Shared by all images, in one pass for all steps; with adapters, which may change the time's
    projections, one row for each of ``images``.
    """
    net = model.pipeline.transformer

    def moment(rows: torch.Tensor) -> Moment:
        embedded = net.time_embed(rows, dtype=dtype)
        return Moment(embedded, net.time_mod_proj(functional.gelu(embedded, approximate="tanh")))

    if images is not None:
        return [moment(time.to(dtype).expand(images)) for time in times]
    together = moment(times.to(dtype))
    return [
        Moment(together.embedded[step : step + 1], together.modulation[step : step + 1])
        for step in range(times.shape[0])
    ]


class Velocity:
    """The transformer for given texts and size: text and rotary embedding already in place."""

    def __init__(self, model: LoadedModel, texts: TextBatch, *, width: int, height: int) -> None:
        pipe = model.pipeline
        side = pipe.vae_scale_factor * pipe.patch_size
        rows, columns = height // side, width // side
        self.image_tokens = rows * columns
        self.transformer = pipe.transformer
        self.text = texts.hidden
        self.mask = None
        if texts.mask is not None:
            image = texts.mask.new_ones((texts.mask.shape[0], self.image_tokens))
            self.mask = torch.cat([texts.mask, image], dim=1)[:, None, None, :]
        positions = pipe.prepare_position_ids(self.text.shape[1], rows, columns, model.device)
        self.rotary = self.transformer.rotary_emb(positions)

    def __call__(self, latents: torch.Tensor, moment: Moment) -> torch.Tensor:
        """Velocity at ``moment`` for packed ``latents``."""
        net = self.transformer
        hidden = torch.cat([self.text, net.img_in(latents)], dim=1)
        for number, block in enumerate(net.transformer_blocks):
            hidden = self.through(number, block, hidden, moment)
        out: torch.Tensor = net.final_layer(hidden[:, self.text.shape[1] :], moment.embedded)
        return out

    def through(
        self, _number: int, block: Any, hidden: torch.Tensor, moment: Moment
    ) -> torch.Tensor:
        """``hidden`` after one block."""
        out: torch.Tensor = block(hidden, moment.modulation, self.rotary, self.mask)
        return out


class StyledVelocity(Velocity):
    """The same with references, whose keys and values a guide lends to the blocks."""

    guide: Guide

    def through(
        self, number: int, block: Any, hidden: torch.Tensor, moment: Moment
    ) -> torch.Tensor:
        """``hidden`` after one block, which attends to what it is lent as well."""
        lent = self.guide.lent(number)
        if not lent:
            return super().through(number, block, hidden, moment)
        out, _ = block_forward(
            block,
            hidden,
            moment.modulation,
            self.rotary,
            self.mask,
            lent=lent,
            image_tokens=self.image_tokens,
        )
        return out
