"""The tiny autoencoder: AutoencoderKLQwenImage run on single pictures as plain 2-D convolutions
while it trains.

One frame only ever meets the last temporal slice of a causal Conv3d, so training touches that
slice alone. The slices
before it stay zero, which makes the 2-D path and the untouched diffusers class give the same
numbers.
"""
# ruff: noqa: N812  F is the field's own name

import math

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLQwenImage
from diffusers.models.autoencoders.autoencoder_kl_qwenimage import QwenImageResidualBlock
from torch import nn

CONFIG = {
    "base_dim": 16,
    "z_dim": 16,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
    "latents_mean": [0.0] * 16,
    "latents_std": [1.0] * 16,
}
"""Eight times smaller pictures, 16 channels, as the real one; only the widths are small."""


def build():
    """A fresh autoencoder for single frames: only the last temporal slice is used, residual
    branches start silent.
    """
    vae = AutoencoderKLQwenImage(**CONFIG)
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, nn.Conv3d) and module.weight.shape[2] == 3:  # noqa: PLR2004
                module.weight[:, :, -1] *= math.sqrt(3)
                module.weight[:, :, :-1] = 0
            if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                module.weight *= math.sqrt(3)
                module.bias.zero_()
        for module in vae.modules():
            if isinstance(module, QwenImageResidualBlock):
                module.conv2.weight.zero_()
        for name, parameter in vae.named_parameters():
            if "time_conv" in name or (".attentions." in name and ".proj." in name):
                parameter.zero_()
        vae.quant_conv.weight[CONFIG["z_dim"] :] = 0
        vae.quant_conv.bias[CONFIG["z_dim"] :] = -5.0
    return vae


def trainable(vae):
    """The parameters a single frame uses. The global attention stays off, so that every size looks
    alike.
    """
    unused = ("time_conv", ".attentions.")
    return [p for name, p in vae.named_parameters() if not any(part in name for part in unused)]


def encode(vae, pictures):
    """Mean and log variance (batch x 16 x h/8 x w/8) of pictures in -1..1 (batch x 3 x h x w)."""
    moments = _conv(vae.quant_conv, _encoder(vae.encoder, pictures))
    mean, log_variance = moments.chunk(2, dim=1)
    return mean, log_variance.clamp(-30, 20)


def decode(vae, latents):
    """Pictures in about -1..1 from latents, not clamped."""
    return _decoder(vae.decoder, _conv(vae.post_quant_conv, latents))


def _conv(module, x):
    if isinstance(module, nn.Conv3d):
        return F.conv2d(x, module.weight[:, :, -1], module.bias, padding=module._padding[0])  # noqa: SLF001
    return module(x)


def _norm_act(norm, x):
    channels = x.shape[1]
    y = F.rms_norm(x.permute(0, 2, 3, 1).float(), (channels,), norm.gamma.view(-1), eps=1e-12)
    return F.silu(y).to(x.dtype).permute(0, 3, 1, 2)


def _res(block, x):
    shortcut = x if isinstance(block.conv_shortcut, nn.Identity) else _conv(block.conv_shortcut, x)
    x = _conv(block.conv1, _norm_act(block.norm1, x))
    return shortcut + _conv(block.conv2, _norm_act(block.norm2, x))


def _mid(block, x):
    for resnet in block.resnets:
        x = _res(resnet, x)
    return x


def _encoder(encoder, x):
    x = _conv(encoder.conv_in, x)
    for block in encoder.down_blocks:
        if hasattr(block, "resample"):
            x = F.conv2d(
                F.pad(x, (0, 1, 0, 1)), block.resample[1].weight, block.resample[1].bias, stride=2
            )
        else:
            x = _res(block, x)
    return _conv(encoder.conv_out, _norm_act(encoder.norm_out, _mid(encoder.mid_block, x)))


def _decoder(decoder, x):
    x = _mid(decoder.mid_block, _conv(decoder.conv_in, x))
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            x = _res(resnet, x)
        if block.upsamplers is not None:
            conv = block.upsamplers[0].resample[1]
            x = F.conv2d(
                F.interpolate(x, scale_factor=2, mode="nearest-exact"),
                conv.weight,
                conv.bias,
                padding=1,
            )
    return _conv(decoder.conv_out, _norm_act(decoder.norm_out, x))
