"""Hashed n-gram features of a view: character n-grams inside words, words, and word pairs.

The same function serves training and the web process. Hashes are polynomial over UTF-8 bytes in
64-bit arithmetic and do not depend on the platform or on PYTHONHASHSEED.
"""

import re
import zlib
from itertools import pairwise

import numpy as np
import numpy.typing as npt

CHAR_BITS = 17
WORD_BITS = 16
SIZE = (1 << CHAR_BITS) + (1 << WORD_BITS)
CHAR_LENGTHS = (2, 3, 4, 5)
#: Bytes of a view that are hashed; longer texts are read in windows by the gate.
BYTE_LIMIT = 8_000

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_TOKEN = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")

Counts = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


def _char_buckets(text: str) -> npt.NDArray[np.int64]:
    data = np.frombuffer(f" {text} ".encode()[:BYTE_LIMIT], dtype=np.uint8).astype(np.uint64)
    space = data == ord(" ")
    found = []
    for length in CHAR_LENGTHS:
        count = len(data) - length + 1
        if count <= 0:
            break
        hashed = np.full(count, np.uint64(length))
        inner = np.zeros(count, dtype=bool)
        for offset in range(length):
            hashed = hashed * _PRIME + data[offset : offset + count]
            if 0 < offset < length - 1:
                inner |= space[offset : offset + count]
        hashed ^= hashed >> np.uint64(33)
        hashed *= _MIX
        keep = ~inner & ~(space[:count] & space[length - 1 : length - 1 + count])
        found.append((hashed[keep] >> np.uint64(64 - CHAR_BITS)).astype(np.int64))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _word_buckets(text: str) -> npt.NDArray[np.int64]:
    tokens = [token.encode() for token in _TOKEN.findall(text[:BYTE_LIMIT])]
    pairs = [first + b" " + second for first, second in pairwise(tokens)]
    mask = (1 << WORD_BITS) - 1
    buckets = [(zlib.crc32(token) * 0x9E3779B1 >> 13) & mask for token in tokens + pairs]
    return np.array(buckets, dtype=np.int64) + (1 << CHAR_BITS)


def counts_of(text: str) -> Counts:
    """Buckets (sorted, distinct) and 1 + ln(count) of each, for one view."""
    normal = " ".join(text.split())
    buckets = np.concatenate([_char_buckets(normal), _word_buckets(normal)])
    distinct, counts = np.unique(buckets, return_counts=True)
    return distinct, (1.0 + np.log(counts)).astype(np.float32)


def weighted(counts: Counts, idf: npt.NDArray[np.float32]) -> Counts:
    """Counts times inverse document frequency, characters and words each of unit length."""
    buckets, values = counts
    values = values * idf[buckets]
    chars = buckets < (1 << CHAR_BITS)
    for part in (chars, ~chars):
        norm = float(np.linalg.norm(values[part]))
        if norm > 0:
            values[part] /= norm
    return buckets, values
