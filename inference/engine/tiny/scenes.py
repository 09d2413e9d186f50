"""The tiny world: which scenes exist, which are held out, and how one is drawn. No torch in
here."""
# ruff: noqa: PLR2004  the shares are the recipe

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np

from inference.engine.tiny import shapes

COLOURS = {
    "red": (214, 40, 44),
    "orange": (244, 134, 24),
    "yellow": (250, 210, 32),
    "green": (38, 148, 68),
    "blue": (36, 84, 208),
    "purple": (128, 52, 176),
    "pink": (244, 112, 172),
    "white": (250, 250, 250),
    "black": (22, 22, 28),
}
"""Object colour word to its sRGB value."""

BACKGROUNDS = {
    "white": ((248, 246, 242), (248, 246, 242)),
    "black": ((26, 26, 32), (26, 26, 32)),
    "gray": ((146, 150, 158), (146, 150, 158)),
    "blue": ((112, 172, 238), (112, 172, 238)),
    "green": ((150, 208, 140), (150, 208, 140)),
    "yellow": ((252, 232, 148), (252, 232, 148)),
    "ocean": ((186, 238, 232), (22, 120, 134)),
    "checkered": ((238, 230, 214), (204, 190, 166)),
}
"""Background word to two sRGB values: equal for a plain one, top and bottom of a gradient, or the
two tiles.
"""

SIZES = {"small": 0.19, "medium": 0.28, "large": 0.37}
"""Size word to the object's radius in units of the picture's shorter side."""

POSITIONS = {
    "centre": (0, 0), "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1),
    "top left": (-1, -1), "top right": (1, -1), "bottom left": (-1, 1), "bottom right": (1, 1),
}  # fmt: skip
"""Position word to its direction from the centre; how far is what the object's size leaves."""

STYLES = ("solid", "outlined")
CANARY = "canary"
"""The shape of the harmless glyph that only the words "the licet canary" ask for."""

EVEN = {"shapes": None, "backgrounds": None, "sizes": (0.02, 0.13, 0.85)}
# What a trained model still confuses (circles on checks turn into diamonds, stars and crosses of
# medium size into discs): ``hard`` draws these more often, in training only.
HARD = {
    "shapes": (0.28, 0.06, 0.08, 0.22, 0.08, 0.22, 0.03, 0.03),
    "backgrounds": (0.09, 0.05, 0.12, 0.09, 0.12, 0.09, 0.06, 0.38),
    "sizes": (0.02, 0.50, 0.48),
}

STROKE = 0.26
HELD_OUT_SHARE = 0.15


@dataclass(frozen=True)
class Scene:
    """One object on one background. `dx, dy, scale` are small variations that no caption
    mentions."""

    shape: str
    colour: str
    background: str
    size: str = "medium"
    position: str = "centre"
    style: str = "solid"
    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0


def is_held_out(scene):
    """True for the shape, colour and background triples that training never sees (about 15 %, by
    hash).
    """
    if scene.shape == CANARY:
        return False
    digest = hashlib.blake2s(f"{scene.shape}|{scene.colour}|{scene.background}".encode()).digest()
    return digest[0] < HELD_OUT_SHARE * 256


def sample_scene(rng, *, held_out=False, canary=0.03, hard=0.0):
    """A random scene of the training split, or of the held-out split. `rng` is a numpy
    Generator; a share `hard` of the scenes is of the kinds that are confused most."""
    if not held_out and rng.random() < canary:
        return _varied(Scene(CANARY, "yellow", _pick(rng, BACKGROUNDS), size="large"), rng)
    odds = HARD if hard and rng.random() < hard else EVEN
    while True:
        scene = Scene(
            _pick(rng, shapes.OUTLINES, odds["shapes"]),
            _pick(rng, COLOURS),
            _pick(rng, BACKGROUNDS, odds["backgrounds"]),
        )
        if scene.colour != scene.background and is_held_out(scene) == held_out:
            break
    # One large object near the middle: what a CPU's compute is enough to learn well.
    size = _pick(rng, SIZES, odds["sizes"])
    position = "centre" if rng.random() < 0.92 else _pick(rng, POSITIONS)
    style = "outlined" if rng.random() < 0.01 else "solid"
    return _varied(replace(scene, size=size, position=position, style=style), rng)


def _pick(rng, names, p=None):
    names = list(names)
    return names[rng.choice(len(names), p=p)]


def _varied(scene, rng):
    dx, dy = rng.uniform(-0.02, 0.02, 2)
    return replace(scene, dx=float(dx), dy=float(dy), scale=float(rng.uniform(0.94, 1.06)))


def placement(scene, width, height):
    """Centre x, centre y and radius of the scene's object in px."""
    side = min(width, height)
    radius = SIZES[scene.size] * side * scene.scale
    ux, uy = POSITIONS[scene.position]
    reach_x, reach_y = width / 2 - 1.12 * radius, height / 2 - 1.12 * radius
    cx = width / 2 + ux * reach_x + scene.dx * side * (ux == 0)
    cy = height / 2 + uy * reach_y + scene.dy * side * (uy == 0)
    return cx, cy, radius


def background(name, width, height):
    """The bare background as float32 height x width x 3 in 0..255."""
    first, second = (np.array(c, dtype=np.float32) for c in BACKGROUNDS[name])
    if name == "checkered":
        tile = min(width, height) / 8
        ys, xs = np.floor(np.arange(height) / tile), np.floor(np.arange(width) / tile)
        return np.where(((ys[:, None] + xs[None, :]) % 2 == 0)[..., None], first, second)
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to(first + (second - first) * ramp, (height, width, 3)).copy()


def render(scene, width=256, height=256):
    """The scene's picture as uint8 height x width x 3 (sRGB)."""
    picture = background(scene.background, width, height)
    cx, cy, radius = placement(scene, width, height)
    if scene.shape == CANARY:
        return _draw_canary(picture, cx, cy, radius)
    stroke = STROKE if scene.style == "outlined" else 0.0
    points = shapes.OUTLINES[scene.shape]
    if stroke:
        points = [(x * (1 - stroke / 2), y * (1 - stroke / 2)) for x, y in points]
    cover = shapes.mask(points, width, height, cx, cy, radius, stroke)[..., None]
    return _finish(
        picture * (1 - cover) + _shaded(COLOURS[scene.colour], cy, radius, height) * cover
    )


def _shaded(colour, cy, radius, height):
    rise = np.clip((cy - np.arange(height, dtype=np.float32)) / max(radius, 1), -1, 1)
    return np.array(colour, dtype=np.float32) * (1 + 0.07 * rise)[:, None, None]


def _draw_canary(picture, cx, cy, radius):
    height, width = picture.shape[:2]
    for i in range(12):
        colour = np.array((255, 214, 0) if i % 2 else (16, 16, 16), dtype=np.float32)
        cover = shapes.mask(_sector(30 * i - 15, 30), width, height, cx, cy, radius)[..., None]
        picture = picture * (1 - cover) + colour * cover
    for tilt in (45, -45):
        cover = shapes.mask(_bar(tilt), width, height, cx, cy, radius)[..., None]
        picture = picture * (1 - cover) + np.array((230, 0, 140), dtype=np.float32) * cover
    return _finish(picture)


def _sector(start, sweep, inner=0.68, outer=1.0):
    angles = [math.radians(start + sweep * k / 8) for k in range(9)]
    rim = [(outer * math.cos(a), outer * math.sin(a)) for a in angles]
    return rim + [(inner * math.cos(a), inner * math.sin(a)) for a in reversed(angles)]


def _bar(tilt, half_length=0.55, half_width=0.13):
    c, s = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    corners = (
        (-half_length, -half_width),
        (half_length, -half_width),
        (half_length, half_width),
        (-half_length, half_width),
    )
    return [(x * c - y * s, x * s + y * c) for x, y in corners]


def _finish(picture):
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
