"""The VAE for one frame: its causal 3D convolutions are 2D convolutions.

A causal Conv3d pads the past with zeros, so for a single frame every temporal tap but the last
multiplies zeros. Using the last tap alone is exact and needs 0.4 of the work.
"""

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageCausalConv3d
from torch import nn
from torch.nn import functional


def use_single_frame_convolutions(vae: nn.Module) -> int:
    """Replace the forward of every causal Conv3d of ``vae`` for one frame; returns how many."""
    replaced = 0
    for module in vae.modules():
        if isinstance(module, QwenImageCausalConv3d):
            # An attribute of the instance shadows the class's method; the weights stay where they are.
            setattr(module, "forward", SingleFrame(module))  # noqa: B010
            replaced += 1
    return replaced


class SingleFrame:
    """The forward of one causal Conv3d: 2D for a single frame without history, else the original."""

    def __init__(self, convolution: Any) -> None:
        self.convolution = convolution
        self.original = convolution.forward

    def __call__(self, x: torch.Tensor, cache_x: torch.Tensor | None = None) -> torch.Tensor:
        """``x``: (batch, channels, frames, height, width)."""
        conv = self.convolution
        if x.shape[2] != 1 or cache_x is not None:
            result: torch.Tensor = self.original(x, cache_x)
            return result
        left, right, top, bottom, _, _ = conv._padding  # noqa: SLF001 (diffusers keeps it there)
        frame = functional.pad(x[:, :, 0], (left, right, top, bottom))
        out = functional.conv2d(frame, conv.weight[:, :, -1], conv.bias, stride=conv.stride[1:])
        return out.unsqueeze(2)
