"""The sign of life of beat and a worker: a task that beat sends every 15 s notes when it ran."""

from datetime import datetime

from django.core.cache import cache

TICK_KEY = "beat-tick"


def note_tick(*, at: datetime) -> None:
    """A periodic task ran: beat sent it and a worker took it."""
    cache.set(TICK_KEY, at.timestamp(), None)


def last_tick() -> float | None:
    """When one last ran, in s since 1970; None where none has."""
    found = cache.get(TICK_KEY)
    return None if found is None else float(found)
