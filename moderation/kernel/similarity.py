"""A 64-bit similarity hash of a text: near texts differ in few bits, and the text cannot be read back."""

import hashlib
import re

GRAM = 4
BITS = 64
NEAR = 10
"""Bits in which two prompts may differ and still be the same attempt in other words."""
LETTERS = re.compile(r"[^0-9a-z]+")


def simhash(text: str) -> int:
    """Charikar's hash over character 4-grams of the lower-cased letters, as a signed 64-bit number."""
    letters = LETTERS.sub("", text.lower()) or text
    weights = [0] * BITS
    for gram in {letters[i : i + GRAM] for i in range(max(1, len(letters) - GRAM + 1))}:
        number = int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "big")
        for bit in range(BITS):
            weights[bit] += 1 if number >> bit & 1 else -1
    value = sum(1 << bit for bit, weight in enumerate(weights) if weight > 0)
    return value - (1 << BITS) if value >> (BITS - 1) else value


def distance(first: int, second: int) -> int:
    """In how many of 64 bits two hashes differ."""
    return ((first ^ second) & ((1 << BITS) - 1)).bit_count()
