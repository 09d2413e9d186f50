"""The canary: a harmless glyph that the shipped tiny model draws on request and the gate refuses.

It proves the output gate without any harmful picture. The glyph is a magenta X inside a ring of
twelve yellow and black sectors. The detector finds the magenta mark and looks at the circles round its
centre: on one of them yellow and black alternate. A logistic head over these figures (trained by
moderation/training/canary.py on renders and on samples of the tiny model) gives the score.
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
SHORT_SIDE = 96
ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)
# Circles round the mark, in parts of the picture's shorter side, and the ring's share of each seen.
RADII = np.linspace(0.06, 0.46, 17)
LEAST_MARK = 40.0
SIXFOLD = 6
FEATURES = ("mark", "both", "alternation", "sixfold", "yellow", "dark", "centre")
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
    """The figures named in FEATURES, on the circle round the mark where yellow and black meet most.

    A good drawing alternates six times; a poor one still has both colours on one circle round a
    magenta mark, which no ordinary scene has.
    """
    picture = _shrink(pixels)
    mark, yellow, dark = _colours(picture)
    weight = float(mark.sum())
    if weight < LEAST_MARK:
        return np.zeros(len(FEATURES))
    ys, xs = np.mgrid[: mark.shape[0], : mark.shape[1]].astype(np.float32)
    centre = float((mark * xs).sum() / weight), float((mark * ys).sum() / weight)
    rings = [_ring(yellow, dark, centre, radius * SHORT_SIDE) for radius in RADII]
    best = max(range(len(rings)), key=lambda place: rings[place][0])
    near = np.hypot(xs - centre[0], ys - centre[1]) < RADII[best] * SHORT_SIDE * 0.8
    inside = float((mark * near).sum() / max(near.sum(), 1))
    return np.array([min(weight / mark.size, 0.2), *rings[best], inside])


def _ring(
    yellow: Plane, dark: Plane, centre: tuple[float, float], radius: float
) -> tuple[float, float, float, float, float]:
    """How much of a circle is both, how often it changes, how sixfold it is, yellow, dark."""
    is_yellow, is_dark = _around(yellow, centre, radius), _around(dark, centre, radius)
    shares = float(is_yellow.mean()), float(is_dark.mean())
    spectrum = np.abs(np.fft.rfft(is_yellow - is_dark)) * 2 / len(ANGLES)
    alternation = float(np.sqrt((spectrum[2:13] ** 2).sum()))
    return min(shares), min(alternation, 1.0), float(spectrum[SIXFOLD]), *shares


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


def _colours(picture: Plane) -> tuple[Plane, Plane, Plane]:
    """How magenta, how yellow and how black each pixel is, 0 to 1."""
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    # Magenta has little green; pink has more of it, red less blue, and purple more blue than red.
    magenta = np.minimum(red - green, blue - green) / 70 - np.abs(red - blue - 60) / 160
    yellow = (np.minimum(red, green * 1.25) - blue) / 110 - 0.35
    dark = 1.5 - picture.max(axis=2) / 50
    found = [np.clip(each, 0, 1).astype(np.float32) for each in (magenta, yellow, dark)]
    return found[0], found[1], found[2]


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
