"""The outlines of the tiny world: unit polygons and their antialiased masks."""

import math

import numpy as np
from PIL import Image, ImageDraw

SUPERSAMPLE = 4
"""Masks are drawn this many times larger and averaged down, which antialiases them."""


def _arc(cx, cy, radius, start, end, steps):
    angles = np.linspace(math.radians(start), math.radians(end), steps)
    return [(cx + radius * math.cos(a), cy + radius * math.sin(a)) for a in angles]


def _star():
    points = []
    for i in range(10):
        radius, angle = (1.05 if i % 2 == 0 else 0.46), math.radians(-90 + 36 * i)
        points.append((radius * math.cos(angle), 0.06 + radius * math.sin(angle)))
    return points


def _heart():
    points = []
    for t in np.linspace(0, 2 * math.pi, 72, endpoint=False):
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x / 16.5, -(y + 2.5) / 15.5))
    return points


def _cross(arm=0.33, reach=0.95):
    a, r = arm, reach
    return [
        (-a, -r),
        (a, -r),
        (a, -a),
        (r, -a),
        (r, a),
        (a, a),
        (a, r),
        (-a, r),
        (-a, a),
        (-r, a),
        (-r, -a),
        (-a, -a),
    ]


def _moon():
    outer = _arc(0, 0, 0.97, 48, 312, 64)
    distance, radius = 0.97 * math.cos(math.radians(48)) - 0.05, 0.0
    radius = math.hypot(0.05, 0.97 * math.sin(math.radians(48)))
    inner = _arc(distance + 0.05, 0, radius, 270, 90, 48)
    return outer + inner


OUTLINES = {
    "circle": _arc(0, 0, 0.9, 0, 360, 96),
    "square": [(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)],
    "triangle": [(0, -0.95), (1.0, 0.8), (-1.0, 0.8)],
    "star": _star(),
    "heart": _heart(),
    "cross": _cross(),
    "diamond": [(0, -1.05), (0.74, 0), (0, 1.05), (-0.74, 0)],
    "moon": _moon(),
}
"""Shape name to its polygon in units of the object's radius, y downwards, centred on the object."""


def mask(points, width, height, cx, cy, radius, stroke=0.0):
    """The coverage (float32, 0 to 1, height x width) of a polygon at centre (cx, cy) px with
    `radius` px.

    `stroke` > 0 draws only the line, that many radii wide.
    """
    s = SUPERSAMPLE
    canvas = Image.new("L", (width * s, height * s), 0)
    draw = ImageDraw.Draw(canvas)
    xy = [((cx + x * radius) * s - 0.5, (cy + y * radius) * s - 0.5) for x, y in points]
    if stroke:
        draw.line(
            [*xy, xy[0], xy[1]], fill=255, width=max(2, round(stroke * radius * s)), joint="curve"
        )
    else:
        draw.polygon(xy, fill=255)
    return np.asarray(canvas.reduce(s), dtype=np.float32) / 255.0
