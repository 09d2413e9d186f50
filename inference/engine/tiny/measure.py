"""Reads colour, shape and background back from the pixels of a picture of the tiny world. No torch
in here.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from inference.engine.tiny import scenes, shapes

WORK_SIDE = 128
"""Pictures are measured at this length of their shorter side, px."""
OBJECT_DISTANCE = 30.0
"""A pixel this far (Euclidean sRGB) from the bare background belongs to the object."""
BACKGROUND_LIMIT = 40.0
LEAST_OVERLAP = 0.55
LEAST_AREA = 0.008
LEAST_PIXELS = 20


@dataclass(frozen=True)
class Reading:
    """What a picture shows. None where nothing could be told; `overlap` is the shape's best IoU, 0
    to 1.
    """

    colour: str | None
    shape: str | None
    background: str | None
    overlap: float = 0.0


def read(picture):
    """The attributes a picture shows (uint8 height x width x 3, or a PIL image)."""
    pixels = _resized(picture)
    name, distance = nearest_background(pixels)
    if is_canary(picture):
        return Reading(None, scenes.CANARY, name)
    bare = scenes.background(name, pixels.shape[1], pixels.shape[0])
    silhouette = _despeckled(np.linalg.norm(pixels - bare, axis=2) > OBJECT_DISTANCE)
    shown = name if distance < BACKGROUND_LIMIT else None
    if silhouette.mean() < LEAST_AREA:
        return Reading(None, None, shown)
    shape, overlap = nearest_shape(filled(silhouette))
    return Reading(nearest_colour(pixels, silhouette), shape, shown, overlap)


def nearest_background(pixels):
    """The background whose bare picture the rim is closest to, and the rim's median distance to
    it.
    """
    height, width = pixels.shape[:2]
    rim = np.ones((height, width), dtype=bool)
    edge = max(2, min(width, height) // 20)
    rim[edge:-edge, edge:-edge] = False
    distances = {}
    for name in scenes.BACKGROUNDS:
        bare = scenes.background(name, width, height)
        distances[name] = float(np.median(np.linalg.norm(pixels[rim] - bare[rim], axis=1)))
    best = min(distances, key=distances.get)
    return best, distances[best]


def nearest_colour(pixels, silhouette):
    """The palette colour closest to the median of the object's inner pixels."""
    inner = (
        np.asarray(Image.fromarray(silhouette).convert("L").filter(ImageFilter.MinFilter(3))) > 0
    )
    chosen = pixels[inner if inner.sum() > LEAST_PIXELS else silhouette]
    middle = np.median(chosen, axis=0)
    return min(
        scenes.COLOURS, key=lambda c: float(np.linalg.norm(middle - np.array(scenes.COLOURS[c])))
    )


def nearest_shape(silhouette):
    """The outline with the largest overlap (IoU) after fitting place and scale; None below the
    least overlap.
    """
    ys, xs = np.nonzero(silhouette)
    box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    overlaps = {name: _overlap(points, silhouette, box) for name, points in shapes.OUTLINES.items()}
    best = max(overlaps, key=overlaps.get)
    return (best if overlaps[best] >= LEAST_OVERLAP else None), overlaps[best]


def _overlap(points, silhouette, box):
    corners = np.array(points)
    low, high = corners.min(axis=0), corners.max(axis=0)
    width, height = box[2] - box[0], box[3] - box[1]
    radius = (width / (high[0] - low[0]) + height / (high[1] - low[1])) / 2
    cx = (box[0] + box[2]) / 2 - radius * (high[0] + low[0]) / 2
    cy = (box[1] + box[3]) / 2 - radius * (high[1] + low[1]) / 2
    best = 0.0
    for scale in (0.92, 1.0, 1.08):
        canvas = Image.new("1", (silhouette.shape[1], silhouette.shape[0]), 0)
        xy = [(cx + x * radius * scale - 0.5, cy + y * radius * scale - 0.5) for x, y in points]
        ImageDraw.Draw(canvas).polygon(xy, fill=1)
        ideal = np.asarray(canvas)
        union = np.logical_or(ideal, silhouette).sum()
        best = max(best, float(np.logical_and(ideal, silhouette).sum() / max(union, 1)))
    return best


def filled(silhouette):
    """The silhouette with its holes closed, so that an outlined object is read like a solid one."""
    canvas = Image.new("L", (silhouette.shape[1] + 2, silhouette.shape[0] + 2), 0)
    canvas.paste(Image.fromarray((silhouette * 255).astype(np.uint8)), (1, 1))
    ImageDraw.floodfill(canvas, (0, 0), 128)
    return (np.asarray(canvas) != 128)[1:-1, 1:-1]  # noqa: PLR2004


def is_canary(picture):
    """True where a picture shows the canary: magenta, canary yellow and black together in its
    middle.
    """
    pixels = _resized(picture)
    shares = [
        float((np.linalg.norm(pixels - np.array(c, dtype=np.float32), axis=2) < limit).mean())
        for c, limit in (((230, 0, 140), 60), ((255, 214, 0), 55), ((16, 16, 16), 45))
    ]
    return shares[0] > 0.02 and shares[1] > 0.025 and shares[2] > 0.025  # noqa: PLR2004


def _despeckled(silhouette):
    smooth = Image.fromarray((silhouette * 255).astype(np.uint8)).filter(
        ImageFilter.MedianFilter(3)
    )
    return np.asarray(smooth) > 0


def _resized(picture):
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    scale = WORK_SIDE / min(image.size)
    size = tuple(round(v * scale) for v in image.size)
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX), dtype=np.float32)
