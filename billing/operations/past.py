"""Booking a past that never was: for the demo's history, and for nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction


@contextmanager
def booked_in_the_past(at: datetime) -> Iterator[None]:
    """One transaction whose bookings carry ``at``. A closed period refuses them all the same."""
    with transaction.atomic():
        name_time(at.isoformat())
        yield
        name_time("")


def name_time(value: str) -> None:
    """The journal's time until the transaction ends; empty is the database's own clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('licet.booked_at', %s, true)", [value])
