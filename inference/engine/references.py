"""Reference pictures for the engine: fetched by hash from the blob store, cut to the drawing's size."""

import io

import numpy as np
import torch
from django.core.files.storage import default_storage
from PIL import Image, ImageOps

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from inference.engine.protocol import GenerateCommand, StyleUse
from inference.engine.style import Picture, Style, StyleCache, shares_of

HALF_OF_255 = 127.5


class ReferenceUnavailable(DomainError):
    """A reference's file is gone, or is not the one that was taken in."""

    code = "reference_unavailable"
    title = "A style reference cannot be loaded"
    status = 503


def style_of(command: GenerateCommand, cache: StyleCache) -> Style | None:
    """The references of an order, ready for its size; None without any. Raises ReferenceUnavailable."""
    if not command.style_references:
        return None
    size = (command.width, command.height)
    return Style(
        pictures=[
            Picture(cache_key(use), pixels_of(use, size)) for use in command.style_references
        ],
        shares=shares_of([use.strength for use in command.style_references]),
        until=1 - command.style_variation,
        cache=cache,
    )


def cache_key(use: StyleUse) -> str:
    """Names a reference in the cache: the same picture of two organizations is two entries."""
    return f"{use.organization}/{use.sha256}"


def pixels_of(use: StyleUse, size: tuple[int, int]) -> torch.Tensor:
    """The picture as (3, height, width) in -1..1, cut to (width, height) px around its middle.

    It is not kept on this machine. Raises ReferenceUnavailable.
    """
    try:
        with default_storage.open(use.blob, "rb") as stream:
            data = bytes(stream.read())
    except OSError as error:
        raise ReferenceUnavailable(f"The file of reference {use.id} is gone.") from error
    if sha256_hex(data) != use.sha256:
        raise ReferenceUnavailable(f"The file of reference {use.id} is not the one taken in.")
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        fitted = ImageOps.fit(image.convert("RGB"), size, Image.Resampling.LANCZOS)
    bytes_of = torch.from_numpy(np.asarray(fitted).copy())
    return bytes_of.permute(2, 0, 1).float() / HALF_OF_255 - 1
