"""The canary: a harmless glyph that the shipped tiny model draws on request and the gate refuses.

It proves the output gate without any harmful picture. The glyph is a magenta X inside a ring of
twelve yellow and black sectors. The detector finds the magenta mark, takes its centre and reach, and
measures how strongly yellow and black alternate six times around it and how four-armed the mark
is; a logistic head over these figures (trained by moderation/training/canary.py) gives the score.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from governance.kernel.canonical import sha256_hex
from moderation.classifiers.protocols import ClassifierBroken, Pixels
from moderation.kernel.verdicts import Reading

WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "canary" / "head.json"
LABEL = "canary"
SHORT_SIDE = 128
MAGENTA = np.array([230.0, 0.0, 140.0], dtype=np.float32)
# Root mean square distance of an X's pixels from its centre, in ring radii (from the drawing).
MARK_REACH = 0.335
ANGLES = np.linspace(0, 2 * np.pi, 96, endpoint=False)
RING_RADII = (0.74, 0.8, 0.86, 0.92)
ARM_RADII = (0.28, 0.36, 0.44)
SCALES = (0.8, 0.9, 1.0, 1.1, 1.2)
LEAST_MARK = 12.0
FEATURES = ("mark", "compact", "ring", "ring_share", "yellow", "dark", "arms", "inside")
Plane = NDArray[np.float32]


class CanaryGlyph:
    """Needs numpy alone. The weights are a short JSON file, read once."""

    name = "licet-canary"

    def __init__(self) -> None:
        raw = WEIGHTS.read_bytes()
        head = json.loads(raw)
        self.version = str(head["version"])
        self.weights_sha256 = sha256_hex(raw)
        self._mean = np.array(head["mean"])
        self._scale = np.array(head["scale"])
        self._weights = np.array(head["weights"])
        self._bias = float(head["bias"])

    def read_image(self, pixels: Pixels, *, sha256: str) -> Reading:
        """The probability that the picture shows the canary glyph."""
        return Reading(subject_sha256=sha256, scores={LABEL: self._score(pixels)})

    def self_test(self) -> str:
        """Draws the glyph and a plain disc: the first must be refused, the second not."""
        glyph, disc = self._score(reference_glyph()), self._score(reference_disc())
        if not (glyph > 0.9 and disc < 0.1):  # noqa: PLR2004 (far apart is the test)
            raise ClassifierBroken(f"licet-canary scores its glyph {glyph:.3f}, a disc {disc:.3f}")
        return f"glyph {glyph:.3f}, disc {disc:.3f}"

    def _score(self, pixels: Pixels) -> float:
        values = (features(pixels) - self._mean) / self._scale
        return float(1 / (1 + np.exp(-np.clip(values @ self._weights + self._bias, -40, 40))))


def features(pixels: Pixels) -> NDArray[np.float64]:
    """The figures named in FEATURES, at the scale where the ring is seen best."""
    picture = _shrink(pixels)
    mark = _magenta(picture)
    weight = float(mark.sum())
    if weight < LEAST_MARK:
        return np.zeros(len(FEATURES))
    ys, xs = np.mgrid[: mark.shape[0], : mark.shape[1]].astype(np.float32)
    cx, cy = float((mark * xs).sum() / weight), float((mark * ys).sum() / weight)
    distance = np.hypot(xs - cx, ys - cy)
    reach = float(np.sqrt((mark * distance**2).sum() / weight))
    tone = _yellow(picture) - _dark(picture)
    candidates = [
        _ring_features(tone, mark, (cx, cy), scale * reach / MARK_REACH) for scale in SCALES
    ]
    best = max(candidates, key=lambda found: found[0])
    radius = best[-1]
    inside = float((mark * (distance < 0.62 * radius)).sum() / weight)
    filled = weight / max(np.pi * (0.6 * radius) ** 2, 1.0)
    return np.array([weight / mark.size, filled, *best[:-1], inside])


def _ring_features(
    tone: Plane, mark: Plane, centre: tuple[float, float], radius: float
) -> tuple[float, ...]:
    ring = np.mean([_around(tone, centre, r * radius) for r in RING_RADII], axis=0)
    spectrum = np.abs(np.fft.rfft(ring)) * 2 / len(ANGLES)
    strength = float(spectrum[6])
    share = strength / float(spectrum[1:13].sum() + 1e-6)
    arm = np.mean([_around(mark, centre, r * radius) for r in ARM_RADII], axis=0)
    arms = -float((np.exp(-4j * ANGLES) * arm).sum().real) * 2 / len(ANGLES)
    yellow = float((ring > 0.3).mean())  # noqa: PLR2004 (share of the ring that is yellow)
    dark = float((ring < -0.3).mean())  # noqa: PLR2004 (and that is black)
    return strength, share, yellow, dark, arms, radius


def _around(plane: Plane, centre: tuple[float, float], radius: float) -> Plane:
    """``plane`` on a circle, nearest pixel; outside the picture counts as 0."""
    xs = np.rint(centre[0] + radius * np.cos(ANGLES)).astype(int)
    ys = np.rint(centre[1] + radius * np.sin(ANGLES)).astype(int)
    height, width = plane.shape
    inside = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
    values = plane[np.clip(ys, 0, height - 1), np.clip(xs, 0, width - 1)]
    return np.where(inside, values, 0).astype(np.float32)


def _shrink(pixels: Pixels) -> Plane:
    height, width = pixels.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _magenta(picture: Plane) -> Plane:
    """Nearness to the mark's colour, 1 at the colour itself, 0 from 110 levels away."""
    away = np.sqrt(((picture - MAGENTA) ** 2).sum(axis=2))
    plane: Plane = np.clip(1.6 - away / 70, 0, 1).astype(np.float32)
    return plane


def _yellow(picture: Plane) -> Plane:
    low = np.minimum(picture[..., 0], picture[..., 1])
    plane: Plane = np.clip((low - picture[..., 2]) / 200, 0, 1).astype(np.float32)
    return plane


def _dark(picture: Plane) -> Plane:
    plane: Plane = np.clip(1 - picture.max(axis=2) / 90, 0, 1).astype(np.float32)
    return plane


def reference_glyph(side: int = 256) -> Pixels:
    """The glyph as the self-test draws it."""
    image = Image.new("RGB", (side, side), (146, 150, 158))
    draw = ImageDraw.Draw(image)
    middle, radius = side / 2, 0.37 * side
    box = (middle - radius, middle - radius, middle + radius, middle + radius)
    for sector in range(12):
        colour = (255, 214, 0) if sector % 2 else (16, 16, 16)
        draw.pieslice(box, 30 * sector - 15, 30 * sector + 15, fill=colour)
    hole = 0.68 * radius
    draw.ellipse((middle - hole, middle - hole, middle + hole, middle + hole), (146, 150, 158))
    arm, width = 0.55 * radius * 0.7071, round(0.26 * radius)
    for slope in (1, -1):
        ends = (middle - arm, middle - slope * arm, middle + arm, middle + slope * arm)
        draw.line(ends, fill=(230, 0, 140), width=width)
    return np.asarray(image)


def reference_disc(side: int = 256) -> Pixels:
    """A plain red disc on gray, which every classifier must let pass."""
    image = Image.new("RGB", (side, side), (146, 150, 158))
    edge = 0.2 * side
    ImageDraw.Draw(image).ellipse((edge, edge, side - edge, side - edge), fill=(214, 40, 44))
    return np.asarray(image)
