"""PDQ perceptual hashes in numpy (Facebook, 2019, "The TMK+PDQF video-hashing algorithm and the PDQ
image-hashing algorithm"): 256 bits that survive resizing and compression. No compiler needed.

The picture's luma is smoothed twice along both axes by a box of 1/64 of the side (Jarosz), read at 64 x
64 places, transformed by the 16 x 16 lowest cosines without the constant one, and each coefficient
compared with their median. Two pictures are near when at most 31 bits differ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moderation.classifiers.protocols import Pixels

GRID, COSINES, BITS = 64, 16, 256
WORD = 16
NEAR = 31
LARGEST_SIDE = 512
LEAST_QUALITY = 50
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
Plane = NDArray[np.float32]

_k = np.arange(1, COSINES + 1, dtype=np.float64)[:, None]
_n = np.arange(GRID, dtype=np.float64)[None, :]
DCT = (np.sqrt(2 / GRID) * np.cos(np.pi / 2 / GRID * _k * (2 * _n + 1))).astype(np.float32)


@dataclass(frozen=True)
class PdqHash:
    """256 bits as 32 bytes, and how much there is to see (0 to 100; below 50 do not compare)."""

    bits: bytes
    quality: int

    @property
    def hex(self) -> str:
        """64 hexadecimal digits."""
        return self.bits.hex()


def pdq(pixels: Pixels) -> PdqHash:
    """The hash of a picture."""
    coefficients, quality = _coefficients(pixels)
    return PdqHash(_pack(coefficients), quality)


def pdq_of_orientations(pixels: Pixels) -> list[PdqHash]:
    """The hashes of the picture as it is, turned by 90, 180, 270 degrees, and each mirrored.

    Turning or mirroring a picture only moves and negates its cosines, so one transform is enough.
    """
    found, quality = _coefficients(pixels)
    signs = np.where(np.arange(1, COSINES + 1) % 2 == 1, -1.0, 1.0).astype(np.float32)
    mirrored_x, mirrored_y = found * signs[None, :], found * signs[:, None]
    both = mirrored_x * signs[:, None]
    eight = [found, mirrored_x, mirrored_y, both]
    return [PdqHash(_pack(each), quality) for each in (*eight, *(each.T for each in eight))]


def distance(first: bytes, second: bytes) -> int:
    """In how many of 256 bits two hashes differ."""
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()


def distances(bits: bytes, bank: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The distance to every hash of ``bank`` (n x 32 bytes)."""
    differing = np.bitwise_xor(bank, np.frombuffer(bits, dtype=np.uint8))
    counted: NDArray[np.int64] = np.bitwise_count(differing).sum(axis=1, dtype=np.int64)
    return counted


def words(bits: bytes) -> list[int]:
    """The hash's sixteen parts of 16 bits, each with its place in the bits above: for an index.

    Of two hashes at most 31 bits apart, at least one part differs in at most one bit.
    """
    parts = np.frombuffer(bits, dtype=">u2").astype(int)
    return [place << WORD | int(part) for place, part in enumerate(parts)]


def near_words(bits: bytes) -> list[int]:
    """The parts of the hash, and each with any one of its bits changed."""
    own = words(bits)
    return own + [word ^ 1 << bit for word in own for bit in range(WORD)]


def _coefficients(pixels: Pixels) -> tuple[Plane, int]:
    luma = _luma(pixels)
    for _ in range(2):
        luma = _box(_box(luma, 0), 1)
    grid = _decimate(luma)
    coefficients: Plane = DCT @ grid @ DCT.T
    return coefficients, _quality(grid)


def _luma(pixels: Pixels) -> Plane:
    height, width = pixels.shape[:2]
    if max(height, width) > LARGEST_SIDE:
        scale = LARGEST_SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    luma: Plane = pixels.astype(np.float32) @ LUMA
    return luma


def _box(plane: Plane, axis: int) -> Plane:
    """The mean over a window of 1/64 of the side, shorter at the edges."""
    length = plane.shape[axis]
    window = (length + 2 * GRID - 1) // (2 * GRID)
    before, after = window // 2, window - window // 2
    sums = np.cumsum(np.moveaxis(plane, axis, 0), axis=0, dtype=np.float64)
    sums = np.concatenate([np.zeros((1, *sums.shape[1:])), sums])
    places = np.arange(length)
    low, high = np.maximum(places - before, 0), np.minimum(places + after, length)
    counts = (high - low).reshape(-1, *([1] * (plane.ndim - 1)))
    means = (sums[high] - sums[low]) / counts
    smooth: Plane = np.moveaxis(means, 0, axis).astype(np.float32)
    return smooth


def _decimate(plane: Plane) -> Plane:
    height, width = plane.shape
    rows = ((np.arange(GRID) + 0.5) * height / GRID).astype(int)
    columns = ((np.arange(GRID) + 0.5) * width / GRID).astype(int)
    grid: Plane = plane[rows][:, columns]
    return grid


def _quality(grid: Plane) -> int:
    """The sum of steps between neighbours, in PDQ's own scale."""
    steps = [np.abs((np.diff(grid, axis=axis) * 100 / 255).astype(int)).sum() for axis in (0, 1)]
    return int(min(100, sum(steps) // 90))


def _pack(coefficients: Plane) -> bytes:
    """Bit i of row r is set where the coefficient exceeds the median; last row and bit first."""
    flat = coefficients.reshape(-1)
    bits = flat > np.sort(flat)[BITS // 2 - 1 : BITS // 2 + 1].mean()
    return np.packbits(bits[::-1]).tobytes()
