"""Pixels to files. PNG at a low compression level: Pillow's default took 1.8 s at 1024 x 1024."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_LEVEL = 3
QUALITY = 92
MEDIA_TYPES = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}


def encoder(output_format: str, quality: int | None = None) -> Callable[[NDArray[np.uint8]], bytes]:
    """A function from (height, width, 3) pixels to the bytes of one file.

    ``quality`` from 0 to 100 for webp and jpeg; png is lossless.
    """
    lossy = QUALITY if quality is None else quality

    def encode(pixels: NDArray[np.uint8]) -> bytes:
        stream = io.BytesIO()
        image = Image.fromarray(pixels)
        if output_format == "png":
            image.save(stream, "PNG", compress_level=PNG_LEVEL)
        elif output_format == "webp":
            image.save(stream, "WEBP", quality=lossy, method=2)
        else:
            image.save(stream, "JPEG", quality=lossy)
        return stream.getvalue()

    return encode
