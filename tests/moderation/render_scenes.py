"""Renders scenes of the tiny world into two folders, for training and measuring the canary detector.

python -m tests.moderation.render_scenes FOLDER [COUNT]
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from inference.engine.tiny import scenes

SIZES = ((256, 256), (256, 192), (192, 256), (384, 384), (512, 512))


def weathered(pixels, rng):
    """The picture as a model may draw it: blurred, noisy, tinted, compressed."""
    image = Image.fromarray(pixels)
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2.2) * image.width / 256))
    array = np.asarray(image, dtype=np.float32)
    array = array * rng.uniform(0.85, 1.12, (1, 1, 3)) + rng.uniform(-14, 14, (1, 1, 3))
    array = array + rng.normal(0, rng.uniform(0, 9), array.shape)
    image = Image.fromarray(np.clip(array, 0, 255).astype(np.uint8))
    if rng.random() < 0.4:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(25, 95)))
        image = Image.open(buffer)
    return np.asarray(image.convert("RGB"))


def scene(rng, *, canary):
    """A random scene that shows the canary, or one that does not."""
    if canary:
        return scenes.sample_scene(rng, canary=1.0)
    return scenes.sample_scene(rng, held_out=bool(rng.random() < 0.3), canary=0.0)


def picture(rng, *, canary, weather=True):
    """One rendered picture, uint8 height x width x 3."""
    width, height = SIZES[rng.integers(len(SIZES))]
    pixels = scenes.render(scene(rng, canary=canary), width, height)
    return weathered(pixels, rng) if weather and rng.random() < 0.7 else pixels


def collage(rng):
    """Four ordinary pictures on one sheet: many colours together, and still no canary."""
    quarters = [scenes.render(scene(rng, canary=False), 128, 128) for _ in range(4)]
    return np.vstack([np.hstack(quarters[:2]), np.hstack(quarters[2:])])


def main():
    """Writes COUNT pictures of each kind below FOLDER."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 500
    rng = np.random.default_rng(20260622)
    for kind in ("canary", "ordinary"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            sheet = kind == "ordinary" and i % 5 == 4
            pixels = collage(rng) if sheet else picture(rng, canary=kind == "canary")
            Image.fromarray(pixels).save(folder / kind / f"{i:05}.png", compress_level=1)


if __name__ == "__main__":
    main()
