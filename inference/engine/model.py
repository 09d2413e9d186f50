"""A loaded pipeline and what the engine knows of it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from inference.engine.slots import SlotBank


@dataclass(frozen=True)
class LoadedModel:
    """A pipeline on its device, what it was loaded from, and its adapters' slots, if it has any."""

    pipeline: Any
    source: str
    device: torch.device
    dtype: torch.dtype
    sha256: str = ""
    slots: SlotBank | None = None

    @property
    def device_name(self) -> str:
        """For people: the GPU's name, or the CPU with its threads."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"CPU, {torch.get_num_threads()} threads"

    def image_tokens(self, width: int, height: int) -> int:
        """Tokens of one picture of this size in px."""
        side = self.pipeline.vae_scale_factor * self.pipeline.patch_size
        return int((width // side) * (height // side))


@contextlib.contextmanager
def inference_mode() -> Iterator[None]:
    """No gradients, no autograd bookkeeping."""
    with torch.inference_mode():
        yield
