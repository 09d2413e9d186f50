"""What a request for images weighs in the rate limits: by what it costs to draw."""

import re
from collections.abc import Mapping
from typing import Any

PER_MEGAPIXEL = 10
MEGAPIXEL = 1024 * 1024
# Where a dialect says how many images, and where it keeps its parameters.
COUNTS = ("n", "num_images", "num_outputs", "batchSize")
NESTED = ("input", "parameters")
SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
MOST_IMAGES = 10


def image_weight(body: Mapping[str, Any]) -> int:
    """10 units an image and started megapixel, read from the body of any dialect.

    The body is not validated yet: what cannot be read counts as one image of one megapixel.
    """
    fields: dict[str, Any] = {**body}
    for name in NESTED:
        if isinstance(body.get(name), Mapping):
            fields |= body[name]
    images = next((fields[name] for name in COUNTS if _is_count(fields.get(name))), 1)
    return PER_MEGAPIXEL * min(images, MOST_IMAGES) * _megapixels(fields)


def _megapixels(fields: Mapping[str, Any]) -> int:
    matched = SIZE.fullmatch(str(fields.get("size", "")))
    width, height = matched.groups() if matched else (fields.get("width"), fields.get("height"))
    try:
        pixels = int(width or 1) * int(height or 1)
    except (TypeError, ValueError):
        return 1
    # A size beyond every limit is refused in a moment; it may weigh what the largest allowed one does.
    return min(max(-(-pixels // MEGAPIXEL), 1), 16)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
