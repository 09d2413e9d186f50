"""The invisible watermark: a mark of 48 bits in the luma, put in where the picture hides it.

Informed spread spectrum on a comb of frequencies (see ``comb``): each of 362 coefficients carries two
signs, and is moved only as far as it is not there already. The reader needs nothing but the picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.classifiers.protocols import Pixels
from moderation.provenance import code, comb
from moderation.provenance.comb import Comb, Plane

LEAST_SIDE = 64
LEAST_FIT = 0.42
"""A code word must correlate this well; 10,000 foreign pictures stay below (make bench-provenance)."""
LEAST_PILOT_FIT = 0.3
"""Where the pilots fit less than this at every shift, there is nothing to decode."""
ROUNDS, TURN = 3, 0.35
FLOOR_SHARE, MOST_MOVED = 1 / 20, 0.2
WEAKEST_HIDING, STRONGEST_HIDING, HIDING_LEVELS = 0.6, 2.0, 10.0
CANDIDATES, PEAKS, NEARBY = 5, 2, 2
FINE = (-0.35, 0.0, 0.35)
SEARCHES = ((512, 16.0), (1024, 32.0))
FEWEST_PERIODS, PERIODS_STEP, SHORTEST_PERIOD_PX = 1.6, 1 / 32, 12.0
PADDING = 2


@dataclass(frozen=True)
class Found:
    """A mark that was read: how well the code word fits (0 to 1), and the period in working px."""

    mark: int
    fit: float
    period: float


class TooSmall(ValueError):
    """The picture has too few pixels to carry a mark."""


class Marker:
    """Marks one picture; ``strengthen`` goes on from where it is until the mark survives."""

    def __init__(self, pixels: Pixels, mark: int) -> None:
        """Raises TooSmall below 64 px a side."""
        if min(pixels.shape[:2]) < LEAST_SIDE:
            raise TooSmall(f"A picture below {LEAST_SIDE} px a side cannot carry the watermark.")
        self._pixels = pixels
        self._plane = comb.luma(pixels)
        self._period = comb.own_period(self._plane.shape)
        self._window = comb.window(self._plane.shape)
        self._wanted = _wanted(mark)
        even, contrast = comb.evened(self._plane)
        self._hiding = np.clip(
            WEAKEST_HIDING + comb.texture(self._plane) / HIDING_LEVELS, None, STRONGEST_HIDING
        )
        self._gain = float(
            (self._window * self._hiding / (contrast + comb.CONTRAST_FLOOR)).sum(dtype=np.float64)
        )
        natural = np.abs(comb.spectrum(even * self._window, self._period))
        self._natural = comb.ring_means(natural)
        self._comb: Comb = np.zeros(len(comb.FREQUENCIES), dtype=np.complex64)

    def strengthen(self, strength: float) -> Pixels:
        """The picture with each coefficient at least ``strength`` of its ring on the right side."""
        aim = strength * (self._natural + FLOOR_SHARE)
        most = MOST_MOVED * self._natural + aim
        for _ in range(ROUNDS):
            even, _ = comb.evened(self._plane + self._pattern())
            now = comb.spectrum(even * self._window, self._period)
            missing = _missing(now.real, self._wanted.real, aim, most) + 1j * _missing(
                now.imag, self._wanted.imag, aim, most
            )
            self._comb = (self._comb + TURN * missing / self._gain).astype(np.complex64)
        return self._applied()

    def _pattern(self) -> Plane:
        made: Plane = self._hiding * comb.pattern(self._comb, self._plane.shape, self._period)
        return made

    def _applied(self) -> Pixels:
        layer = self._pattern()
        height, width = self._pixels.shape[:2]
        if layer.shape != (height, width):
            scaled = Image.fromarray(layer).resize((width, height), Image.Resampling.BICUBIC)
            layer = np.asarray(scaled)
        marked = np.rint(self._pixels.astype(np.float32) + layer[..., None])
        shown: Pixels = np.clip(marked, 0, 255).astype(np.uint8)
        return shown


def read(pixels: Pixels, *, search: bool = False, part_of: float = 1.0) -> Found | None:
    """The mark in the picture, or None.

    Without ``search`` only whole pictures are read, at any size: about 30 ms. With it, parts of
    pictures and pictures within pictures (a screenshot) are looked for as well: about a tenth of a
    second. ``part_of`` is the share of the whole's side where it is known that this is a part.
    """
    if min(pixels.shape[:2]) < LEAST_SIDE // 2:
        return None
    plane = _readable(pixels, SEARCHES[0][0])
    periods = [period / part_of for period in comb.whole_periods(plane.shape)]
    found = next(filter(None, (_read_at(plane, period) for period in periods)), None)
    if found is not None or not search:
        return found
    for side, most_periods in SEARCHES:
        if side == SEARCHES[0][0] or max(pixels.shape[:2]) > SEARCHES[0][0]:
            found = _searched(_readable(pixels, side), most_periods)
        if found is not None:
            return found
    return None


def psnr(first: Pixels, second: Pixels) -> float:
    """Peak signal to noise ratio of two pictures of one size, in dB; 100 where they are equal."""
    error = np.square(first.astype(np.float32) - second.astype(np.float32)).mean(dtype=np.float64)
    return float(10 * np.log10(255**2 / error)) if error > 0 else 100.0


def _wanted(mark: int) -> NDArray[np.complex128]:
    """On which side of both axes each coefficient has to lie: the pilots', then the code word's."""
    wanted = np.empty(len(comb.FREQUENCIES), dtype=np.complex128)
    wanted[comb.PILOT_PLACES] = np.sign(comb.PILOT.real) + 1j * np.sign(comb.PILOT.imag)
    signs = code.encode(mark)
    wanted[comb.DATA_PLACES] = signs[0::2] + 1j * signs[1::2]
    return wanted


def _missing(
    now: NDArray[np.float32],
    wanted: NDArray[np.float64],
    aim: NDArray[np.float64],
    most: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How far one part of each coefficient is from its aim, at most ``most`` a round."""
    moved: NDArray[np.float64] = np.clip(aim - now * wanted, 0, most) * wanted
    return moved


def _readable(pixels: Pixels, side: int) -> Plane:
    even, _ = comb.evened(comb.luma(pixels, side))
    readable: Plane = even * comb.window(even.shape)
    return readable


def _read_at(plane: Plane, period: float, peaks: int = 1) -> Found | None:
    """The mark at one period, trying the ``peaks`` likeliest shifts."""
    limited = comb.limited(comb.spectrum(plane, period))
    fit = comb.shifts(limited[None, comb.PILOT_PLACES])[0]
    for _ in range(peaks):
        y, x = divmod(int(fit.argmax()), comb.GRID)
        if fit[y, x] < LEAST_PILOT_FIT:
            return None
        found = _read_shifted(limited, x, y, period)
        if found is not None:
            return found
        around = np.arange(-NEARBY, NEARBY + 1)
        fit[np.ix_((around + y) % comb.GRID, (around + x) % comb.GRID)] = -1
    return None


def _read_shifted(limited: Comb, x: int, y: int, period: float) -> Found | None:
    turned = max((comb.turned(limited, x + dx, y + dy) for dx in FINE for dy in FINE), key=_aligned)
    data = turned[comb.DATA_PLACES]
    soft = np.empty(2 * len(data))
    soft[0::2], soft[1::2] = data.real, data.imag
    mark, fit = code.decode(soft)
    return Found(mark, fit, period) if mark is not None and fit >= LEAST_FIT else None


def _aligned(turned: Comb) -> float:
    return float((turned[comb.PILOT_PLACES] * comb.PILOT.conj()).real.sum())


def _searched(plane: Plane, most_periods: float) -> Found | None:
    """Looks at every period from two thirds of the picture down, by one large transform."""
    longer = max(plane.shape)
    periods = longer / np.arange(FEWEST_PERIODS, most_periods, PERIODS_STEP)
    periods = periods[periods >= SHORTEST_PERIOD_PX]
    if not len(periods):
        return None
    best = comb.shifts(_pilots_at(plane, periods)).max(axis=(1, 2))
    for place in np.argsort(-best)[:CANDIDATES]:
        found = _read_at(plane, float(periods[place]), PEAKS)
        if found is not None:
            return found
    return None


def _pilots_at(plane: Plane, periods: NDArray[np.float64]) -> Comb:
    """The limited pilot coefficients at many periods, read off one padded Fourier transform.

    The picture's middle is the transform's origin, so that between two of its samples the phases
    hardly turn and the nearest sample is good enough to choose candidates.
    """
    side = PADDING * max(plane.shape)
    padded = np.zeros((side, side), dtype=np.float32)
    padded[: plane.shape[0], : plane.shape[1]] = plane
    rolled = np.roll(padded, (-(plane.shape[0] // 2), -(plane.shape[1] // 2)), axis=(0, 1))
    whole = np.fft.rfft2(rolled).astype(np.complex64)
    where = np.rint(comb.FREQUENCIES[None] * (side / periods)[:, None, None]).astype(int)
    x, y = np.minimum(where[..., 0], side // 2), where[..., 1] % side
    combs = whole[y, x]
    magnitudes = np.abs(combs)
    even: Comb = combs / (magnitudes + magnitudes.mean(axis=1, keepdims=True) + 1e-9)
    return even[:, comb.PILOT_PLACES]
