"""The VAE for one frame: its causal 3D convolutions are 2D convolutions.

A causal Conv3d pads the past with zeros, so for a single frame every temporal tap but the last
multiplies zeros. Using the last tap alone is exact and needs 0.4 of the work.
"""

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageCausalConv3d
from torch import nn
from torch.nn import functional

from inference.engine.model import LoadedModel


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


def decode(model: LoadedModel, latents: torch.Tensor, *, width: int, height: int) -> torch.Tensor:
    """Pixels in -1..1, (images, 3, height, width), float32, from packed latents."""
    pipe = model.pipeline
    vae = pipe.vae
    grid = pipe._unpack_latents(latents, height, width).to(vae.dtype)  # noqa: SLF001
    mean, deviation = latent_scale(vae, grid)
    frames: torch.Tensor = vae.decode(grid * deviation + mean, return_dict=False)[0]
    return frames[:, :, 0].float()


def encode(model: LoadedModel, pixels: torch.Tensor) -> torch.Tensor:
    """Packed latents of pictures in -1..1, (images, 3, height, width): the inverse of ``decode``."""
    pipe = model.pipeline
    vae = pipe.vae
    posterior = vae.encode(pixels[:, :, None].to(vae.dtype), return_dict=False)[0]
    grid = posterior.mode()
    mean, deviation = latent_scale(vae, grid)
    normal = ((grid - mean) / deviation)[:, :, 0].to(model.dtype)
    images, channels, rows, columns = normal.shape
    packed: torch.Tensor = pipe._pack_latents(normal, images, channels, rows, columns)  # noqa: SLF001
    return packed


def latent_scale(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The latents' mean and deviation, shaped and placed like ``like`` (five dimensions)."""
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean, device=like.device, dtype=like.dtype)
    deviation = torch.tensor(vae.config.latents_std, device=like.device, dtype=like.dtype)
    return mean.view(shape), deviation.view(shape)


def to_bytes(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels in -1..1 as (images, height, width, 3) bytes, and which images are finite.

    Rounded on the device, as numpy would, so that a quarter of the data crosses to the CPU.
    """
    finite = torch.isfinite(pixels).flatten(1).all(dim=1)
    scaled = (torch.nan_to_num(pixels) / 2 + 0.5).clamp(0, 1) * 255
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous(), finite
