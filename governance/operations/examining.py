"""The doctor: every registered part is examined, in order, and none can hide another."""

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module

from governance.kernel.diagnosis import Diagnosis, Examination, Health, broken, warning
from governance.kernel.registry import examinations

DATABASE = "database"


@dataclass(frozen=True)
class Finding:
    """A part with its diagnosis."""

    name: str
    health: Health
    detail: str
    remedy: str


def examine_all(*, at: datetime, slow: bool = True) -> list[Finding]:
    """Look at every part, without the slow ones if so wished. Safe to repeat: only probes write.

    Parts that need the database are told as not examined while it is silent: each would only wait
    for it once more.
    """
    found: list[Finding] = []
    silent = False
    parts = [part for name in examinations.all() for part in import_module(name).EXAMINATIONS]
    for part in parts:
        if part.is_slow and not slow:
            continue
        if silent and part.needs_database:
            diagnosis = warning("not examined: the database does not answer", "")
        else:
            diagnosis = examine(part, at)
        silent = silent or (part.name == DATABASE and diagnosis.health is Health.BROKEN)
        found.append(Finding(part.name, diagnosis.health, diagnosis.detail, diagnosis.remedy))
    return found


def examine(part: Examination, at: datetime) -> Diagnosis:
    """One part; whatever it raises is its diagnosis."""
    try:
        return part.look(at)
    except Exception as failure:  # noqa: BLE001 (a part may break in any way; each is reported)
        first = (str(failure) or type(failure).__name__).strip().splitlines()[0]
        return broken(first, part.remedy)
