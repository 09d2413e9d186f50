"""The watermark's carrier: a pattern that repeats every ``period`` px, so a comb of frequencies.

A pattern of period P has its whole spectrum at the multiples of 1/P. Cutting a part out only turns the
phases of the comb together, scaling only changes P; both can be found again. The picture is read after
its slow changes are taken away and its contrast is evened out, so that edges do not drown the comb.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.classifiers.protocols import Pixels

HIGHEST, LOWEST_RADIUS, HIGHEST_RADIUS = 16, 3.0, 15.5
PILOTS = 110
GRID = 64
WORKING_SIDE = 512
SMOOTHING_PX, TEXTURE_PX, CONTRAST_FLOOR = 8, 3, 3.0
# How many periods go into the shorter side, by the working size from which on: a small picture has few
# pixels for high frequencies, a large one hides the mark better there.
PERIODS = ((384, 7.0), (192, 3.5), (0, 2.5))
TAPER = 0.2
RINGS = 8
Plane = NDArray[np.float32]
Comb = NDArray[np.complex64]


def _frequencies() -> NDArray[np.int64]:
    """The half plane of (x, y) frequencies in the ring that carries the mark, cycles per period."""
    found = [
        (x, y)
        for x in range(HIGHEST + 1)
        for y in range(-HIGHEST, HIGHEST + 1)
        if LOWEST_RADIUS <= np.hypot(x, y) <= HIGHEST_RADIUS and (x > 0 or y > 0)
    ]
    return np.array(found)


_rng = np.random.default_rng(20260622)
FREQUENCIES = _frequencies()
_order = _rng.permutation(len(FREQUENCIES))
DATA_PLACES, PILOT_PLACES = _order[:-PILOTS], _order[-PILOTS:]
PILOT = np.exp(1j * np.pi / 2 * (_rng.integers(0, 4, PILOTS) + 0.5)).astype(np.complex64)
RADIUS = np.hypot(FREQUENCIES[:, 0], FREQUENCIES[:, 1])
_RING = (
    ((RADIUS - LOWEST_RADIUS) / (HIGHEST_RADIUS - LOWEST_RADIUS) * RINGS)
    .astype(int)
    .clip(max=RINGS - 1)
)
_RING_SIZES = np.bincount(_RING, minlength=RINGS)


def working_size(width: int, height: int, side: int = WORKING_SIDE) -> tuple[int, int]:
    """The size in px at which a picture is read: its longer side at most ``side``."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def luma(pixels: Pixels, side: int = WORKING_SIDE) -> Plane:
    """The picture's luma (0 to 255) at its working size."""
    image = Image.fromarray(pixels)
    size = working_size(*image.size, side)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image.convert("L"), dtype=np.float32)


def own_period(shape: tuple[int, ...]) -> float:
    """The period in px at which a picture of that working height and width is marked."""
    shorter = min(shape)
    return shorter / next(count for least, count in PERIODS if shorter >= least)


def whole_periods(shape: tuple[int, ...]) -> list[float]:
    """The periods in px that a whole picture may have, whatever size it had when it was marked."""
    own = own_period(shape)
    every = {min(shape) / count for _, count in PERIODS}
    return sorted(every, key=lambda period: abs(period - own))


def evened(plane: Plane) -> tuple[Plane, Plane]:
    """The plane without its slow changes and of even contrast; and its contrast, in levels."""
    detail = plane - smoothed(plane, SMOOTHING_PX)
    contrast: Plane = np.sqrt(np.maximum(smoothed(detail * detail, SMOOTHING_PX), 0))
    even: Plane = detail / (contrast + CONTRAST_FLOOR)
    return even, contrast


def texture(plane: Plane) -> Plane:
    """How much goes on close around each place, in levels: where a change does not show."""
    detail = plane - smoothed(plane, TEXTURE_PX)
    busy: Plane = np.sqrt(np.maximum(smoothed(detail * detail, TEXTURE_PX), 0))
    return busy


def smoothed(plane: Plane, radius: int) -> Plane:
    """The mean of each place's square of 2 radius + 1 px, edges repeated outwards."""
    width = 2 * radius + 1
    for axis in (0, 1):
        around = [(0, 0), (0, 0)]
        around[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(plane, around, mode="edge"), axis=axis, dtype=np.float64)
        ends = (sums[width:], sums[:-width]) if axis == 0 else (sums[:, width:], sums[:, :-width])
        plane = ((ends[0] - ends[1]) / width).astype(np.float32)
    return plane


def window(shape: tuple[int, ...]) -> Plane:
    """A taper of the outer fifth of each side (Tukey), of sum 1: edges of the picture count little."""
    columns, rows = (_taper(length) for length in (shape[1], shape[0]))
    whole = np.outer(rows, columns)
    tapered: Plane = (whole / whole.sum()).astype(np.float32)
    return tapered


def spectrum(plane: Plane, period: float) -> Comb:
    """The plane's Fourier coefficients at the comb's frequencies, exact for any period in px."""
    height, width = plane.shape
    across = _waves(width, period)[:, HIGHEST:]
    down = _waves(height, period)
    partial = np.empty((height, HIGHEST + 1), dtype=np.complex64)
    partial.real = plane @ np.ascontiguousarray(across.real)
    partial.imag = plane @ np.ascontiguousarray(across.imag)
    whole: Comb = (down.T @ partial)[FREQUENCIES[:, 1] + HIGHEST, FREQUENCIES[:, 0]]
    return whole


def pattern(comb: Comb, shape: tuple[int, ...], period: float) -> Plane:
    """The real plane that has these coefficients at the comb's frequencies."""
    table = np.zeros((2 * HIGHEST + 1, HIGHEST + 1), dtype=np.complex64)
    table[FREQUENCIES[:, 1] + HIGHEST, FREQUENCIES[:, 0]] = comb
    across = _waves(shape[1], period)[:, HIGHEST:].conj()
    down = _waves(shape[0], period).conj()
    made: Plane = (((down @ table) @ across.T).real * 2).astype(np.float32)
    return made


def ring_means(magnitudes: NDArray[Any]) -> NDArray[np.float64]:
    """The geometric mean of the magnitudes in each place's ring of like radius."""
    logs = np.bincount(_RING, np.log(magnitudes + 1e-9), minlength=RINGS)
    means: NDArray[np.float64] = np.exp(logs / _RING_SIZES)[_RING]
    return means


def limited(comb: Comb) -> Comb:
    """The coefficients with their magnitudes limited, so that no single one decides."""
    magnitudes = np.abs(comb)
    even: Comb = (comb / (magnitudes + ring_means(magnitudes) + 1e-9)).astype(np.complex64)
    return even


def shifts(combs: Comb) -> NDArray[np.float32]:
    """How well the pilots fit at each of 64 x 64 shifts, for a batch of limited pilot coefficients.

    ``combs`` is (batch, pilots); the answer (batch, 64, 64), about 1.0 where all fit.
    """
    pilots = combs * PILOT.conj()
    table = np.zeros((len(combs), GRID, GRID // 2 + 1), dtype=np.complex64)
    where = FREQUENCIES[PILOT_PLACES]
    table[:, where[:, 1] % GRID, where[:, 0]] = pilots
    whole = np.abs(pilots).sum(axis=1) + 1e-9
    fit = np.fft.irfft2(table, s=(GRID, GRID)) * (GRID * GRID / 2 / whole)[:, None, None]
    result: NDArray[np.float32] = fit.astype(np.float32, copy=False)
    return result


def turned(comb: Comb, x: float, y: float) -> Comb:
    """The coefficients as they are when the pattern's origin lies at (x, y), in 1/64 of a period."""
    angle = 2 * np.pi / GRID * (FREQUENCIES[:, 0] * x + FREQUENCIES[:, 1] * y)
    back: Comb = (comb * np.exp(1j * angle)).astype(np.complex64)
    return back


def _waves(length: int, period: float) -> NDArray[np.complex64]:
    """exp(-2 pi i k x / period) for x below ``length`` and k from -16 to 16."""
    phase = np.outer(np.arange(length), np.arange(-HIGHEST, HIGHEST + 1)) / period
    waves: NDArray[np.complex64] = np.exp(-2j * np.pi * phase).astype(np.complex64)
    return waves


def _taper(length: int) -> Plane:
    place = (np.arange(length) + 0.5) / length
    inwards = np.minimum(np.minimum(place, 1 - place) / TAPER, 1)
    taper: Plane = (0.5 - 0.5 * np.cos(np.pi * inwards)).astype(np.float32)
    return taper
