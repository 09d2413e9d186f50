"""The watermark's error correction: a mark of 48 bits and a checksum become 504 signs.

A convolutional code of rate 1/7 and constraint length 9, terminated, read by Viterbi's algorithm from
soft values (Viterbi, 1967); CRC-16/CCITT rejects what is no code word. The signs are scrambled, so that
no mark makes a flat pattern, and interleaved, so that a lost band of frequencies costs each bit a
little and none everything. Changing any constant here makes every mark in the world unreadable.
"""

import binascii

import numpy as np
from numpy.typing import NDArray

MARK_BITS, CHECK_BITS, MEMORY = 48, 16, 8
LARGEST_MARK = (1 << MARK_BITS) - 1
CHECK_START = 0xA5A5
STATES = 1 << MEMORY
POLYNOMIALS = (0o453, 0o471, 0o513, 0o535, 0o557, 0o607, 0o651)
STEPS = MARK_BITS + CHECK_BITS + MEMORY
SIGNS = STEPS * len(POLYNOMIALS)
Soft = NDArray[np.float64]

_rng = np.random.default_rng(4802026)
_SCRAMBLE = _rng.choice(np.array([-1.0, 1.0]), SIGNS)
_PLACES = _rng.permutation(SIGNS)
# The seven signs for each content of the register of nine bits, the newest bit first.
_BRANCH = np.array(
    [[1.0 - 2.0 * ((value & taps).bit_count() & 1) for taps in POLYNOMIALS] for value in range(512)]
)
_STATE = np.arange(STATES)
_NEWEST = _STATE >> (MEMORY - 1)
_FROM = ((_STATE << 1) & (STATES - 1), (_STATE << 1) & (STATES - 1) | 1)
_REGISTER = tuple((_NEWEST << MEMORY) | each for each in _FROM)


def encode(mark: int) -> Soft:
    """The 504 signs (-1.0 or 1.0) of ``mark``, a number of 48 bits."""
    assert 0 <= mark <= LARGEST_MARK, "a mark has 48 bits"
    word = (mark << CHECK_BITS | _check(mark)) << MEMORY
    register, signs = 0, []
    for step in range(STEPS - 1, -1, -1):
        register = (word >> step & 1) << MEMORY | register >> 1
        signs.append(_BRANCH[register])
    coded: Soft = (np.concatenate(signs) * _SCRAMBLE)[_PLACES]
    return coded


def decode(soft: Soft) -> tuple[int | None, float]:
    """The likeliest mark, or None where its checksum does not fit, and how well it fits.

    ``soft`` are 504 values, positive where a sign of 1 is likely. The fit is their correlation with the
    code word's signs: 1.0 is certain, noise stays below 0.4.
    """
    bits = _likeliest(soft)
    word = int("".join(map(str, bits[: MARK_BITS + CHECK_BITS])), 2)
    mark = word >> CHECK_BITS
    if _check(mark) != word & ((1 << CHECK_BITS) - 1):
        return None, 0.0
    return mark, _correlation(soft, encode(mark))


def _likeliest(soft: Soft) -> list[int]:
    """Viterbi: the bits of the code word that correlates best."""
    straight = np.empty(SIGNS)
    straight[_PLACES] = soft
    received = (straight * _SCRAMBLE).reshape(STEPS, len(POLYNOMIALS))
    best = np.full(STATES, -np.inf)
    best[0] = 0.0
    came = np.empty((STEPS, STATES), dtype=np.int64)
    for step in range(STEPS):
        gain = _BRANCH @ received[step]
        first, second = (best[_FROM[i]] + gain[_REGISTER[i]] for i in (0, 1))
        came[step] = second > first
        best = np.maximum(first, second)
    bits, state = [], 0
    for step in range(STEPS - 1, -1, -1):
        bits.append(state >> (MEMORY - 1))
        state = (state << 1) & (STATES - 1) | int(came[step, state])
    return bits[::-1]


def _correlation(soft: Soft, signs: Soft) -> float:
    length = float(np.sqrt(SIGNS * np.square(soft).sum()))
    return float(soft @ signs) / length if length else 0.0


def _check(mark: int) -> int:
    return binascii.crc_hqx(mark.to_bytes(MARK_BITS // 8, "big"), CHECK_START)
