"""Pictures as the model hands them over, and as the encoder gives them back."""

import io

import numpy as np
from PIL import Image

from governance.kernel.errors import DomainError
from moderation.classifiers.protocols import Pixels

SMALLEST_SIDE, CHANNELS, DIMENSIONS = 16, 3, 3
# A picture of which every channel's brightest and darkest value lie this near shows nothing.
LEAST_CONTRAST = 8
# Encoding and an imperceptible watermark move a picture's 16 x 16 thumbnail by less than this.
THUMBNAIL, MOST_DRIFT = 16, 12.0


class ImageUnusable(DomainError):
    """The model made no picture: black, constant, not finite or of a wrong shape. Free of charge."""

    code = "image_unusable"
    title = "The model did not make a usable picture"
    status = 502
    retryable = True


def usable_picture(pixels: object) -> Pixels:
    """A read-only copy of ``pixels``. Raises ImageUnusable, and says what is wrong with them."""
    if not isinstance(pixels, np.ndarray) or pixels.ndim != DIMENSIONS:
        raise ImageUnusable("The model's output is no picture of height, width and colour.")
    if pixels.dtype != np.uint8:
        finite = np.issubdtype(pixels.dtype, np.number) and bool(np.isfinite(pixels).all())
        what = "not of 8 bits a channel" if finite else "not finite (NaN or infinite)"
        raise ImageUnusable(f"The model's output is {what}.")
    height, width, channels = pixels.shape
    if channels != CHANNELS or min(height, width) < SMALLEST_SIDE:
        raise ImageUnusable(f"The model's output has the shape {height} x {width} x {channels}.")
    darkest, brightest = pixels.min(axis=(0, 1)).astype(int), pixels.max(axis=(0, 1)).astype(int)
    if int((brightest - darkest).max()) < LEAST_CONTRAST:
        raise ImageUnusable("The model's output is one flat colour. Nothing was charged.")
    picture = np.array(pixels, order="C", copy=True)
    picture.setflags(write=False)
    return picture


def decoded_encoding(data: bytes, picture: Pixels) -> Pixels:
    """What ``data`` decodes to. Raises ImageUnusable unless it is the picture that was judged."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            decoded = image.convert("RGB")
    except Exception as failure:
        raise ImageUnusable("The encoded file cannot be read back.") from failure
    same_size = decoded.size == (picture.shape[1], picture.shape[0])
    if not same_size or _drift(decoded, Image.fromarray(picture)) > MOST_DRIFT:
        raise ImageUnusable("The encoded file shows another picture than the one judged.")
    return np.asarray(decoded)


def _drift(first: Image.Image, second: Image.Image) -> float:
    """The largest difference of two pictures' 16 x 16 thumbnails, in levels of 0 to 255."""
    size = (THUMBNAIL, THUMBNAIL)
    small = [
        np.asarray(each.resize(size, Image.Resampling.BOX), dtype=np.float32)
        for each in (first, second)
    ]
    return float(np.abs(small[0] - small[1]).max())
