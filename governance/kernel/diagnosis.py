"""What `manage.py doctor` finds: one part, how it is, and what to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    """How a part is. Only ``broken`` makes the doctor's exit status 1."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True)
class Diagnosis:
    """One answer of an examination; ``remedy`` is empty where nothing is to be done."""

    health: Health
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Examination:
    """One part that the doctor looks at. ``look`` takes the time; where it raises, the part is broken
    and ``remedy`` says what to do. ``needs_database``: tells nothing while the database is silent.
    ``is_slow``: reads or computes much; the metrics leave it out.
    """

    name: str
    look: Callable[[datetime], Diagnosis]
    remedy: str
    needs_database: bool = False
    is_slow: bool = False


def fine(detail: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis(Health.OK, detail)


def warning(detail: str, remedy: str) -> Diagnosis:
    """Works, but somebody should look."""
    return Diagnosis(Health.WARNING, detail, remedy)


def broken(detail: str, remedy: str) -> Diagnosis:
    """Does not work."""
    return Diagnosis(Health.BROKEN, detail, remedy)


def probed(
    name: str,
    probe: Callable[[], str],
    remedy: str,
    *,
    needs_database: bool = False,
    is_slow: bool = False,
) -> Examination:
    """An examination by a probe of the health page: what it returns is fine, what it raises broken."""
    return Examination(name, lambda _at: fine(probe()), remedy, needs_database, is_slow)


def by_age(age_s: float, what: str, *, warn_s: float, broken_s: float, remedy: str) -> Diagnosis:
    """An age in s against two limits."""
    detail = f"{what}: {age_s:,.0f} s"
    if age_s > broken_s:
        return broken(f"{detail}, more than {broken_s:,.0f} s", remedy)
    return warning(detail, remedy) if age_s > warn_s else fine(detail)
