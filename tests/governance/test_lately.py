"""Figures that are dear to read are kept for a moment."""

import time
from collections.abc import Callable

from django.core.cache import cache

from governance.queries.lately import CHEAP_S, lately


def reading(seconds: float) -> tuple[list[int], Callable[[], int]]:
    """A figure that counts how often it was read, each time for so long."""
    reads: list[int] = []

    def read() -> int:
        time.sleep(seconds)
        reads.append(1)
        return len(reads)

    return reads, read


def test_what_is_dear_to_read_is_read_once() -> None:
    cache.delete("lately:dear")
    reads, read = reading(2 * CHEAP_S)

    found = [lately("dear", read) for _ in range(3)]

    assert (found, len(reads)) == ([1, 1, 1], 1)


def test_what_is_cheap_is_read_every_time() -> None:
    reads, read = reading(0)

    found = [lately("cheap", read) for _ in range(2)]

    assert (found, len(reads)) == ([1, 2], 2)
