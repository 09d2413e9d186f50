"""The parts of a compliance report: what each app contributes, in plain words and figures.

No part names a person: a report is kept by others, who cannot be asked to erase it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Result = Literal["pass", "attention", "fail"]


@dataclass(frozen=True)
class ReportScope:
    """What is asked about: one organization or (None) all, from ``starts_at`` up to ``ends_at``.

    ``figures`` are those counted from the log's entries; see ``governance.reports.verify``.
    """

    organization_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class Clause:
    """One line of the clause table: what is asked, what is done, what was measured, where it is proven."""

    number: str
    source: str
    requirement: str
    control: str
    measured: str
    evidence: str
    result: Result


@dataclass(frozen=True)
class Check:
    """A figure of the log beside the same figure of the domain's own tables."""

    name: str
    entries: int
    records: int
    differences: int


@dataclass(frozen=True)
class Table:
    """Rows for people, everything as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ReportSection:
    """One chapter; ``order`` places it."""

    name: str
    title: str
    order: int
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    clauses: tuple[Clause, ...] = ()
    checks: tuple[Check, ...] = ()
