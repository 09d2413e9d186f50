"""Figures over everything that happened: read anew while that is cheap, else kept for a moment."""

import time
from collections.abc import Callable
from typing import TypeVar, cast

from django.core.cache import cache

T = TypeVar("T")
# A figure is kept a hundred times as long as it took to read, so that reading it costs at most one
# hundredth of the database's time, however often its page is opened; never longer than five minutes.
TIMES, LONGEST_S = 100, 300
# What is read in less is read every time.
CHEAP_S = 0.05


def lately(name: str, read: Callable[[], T]) -> T:
    """What ``read`` gives, or gave at most five minutes ago. ``name`` is its key in the cache; not None."""
    kept = cache.get(f"lately:{name}")
    if kept is not None:
        return cast("T", kept)
    began = time.monotonic()
    found = read()
    took = time.monotonic() - began
    if took > CHEAP_S:
        cache.set(f"lately:{name}", found, min(took * TIMES, LONGEST_S))
    return found
