"""The report as PDF/A for people who decide: Typst, vector charts, the same bytes every time."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import typst

if TYPE_CHECKING:
    from governance.reports.assembly import Report

TEMPLATE = Path(__file__).parent / "compliance.typ"
# A table of a whole deployment may be long; the rest of its rows is in the bundle's CSV.
MOST_ROWS = 60
# A chart shows at most so many bars; longer periods are summed up by month.
MOST_BARS = 31
MONTH = len("2026-10")


def report_pdf(report: Report) -> bytes:
    """The document as PDF/A-2b, dated by its checkpoint."""
    document = dict(report.document)
    document["bars"] = bars(report.document["figures"]["days"])
    document["most_rows"] = MOST_ROWS
    pdf: bytes = typst.compile(
        str(TEMPLATE),
        format="pdf",
        sys_inputs={"report": json.dumps(document)},
        pdf_standards=["a-2b"],
        timestamp=int(report.checkpoint.at.astimezone(UTC).timestamp()),
        ignore_system_fonts=True,
    )
    return pdf


def bars(days: dict[str, dict[str, int]]) -> list[dict[str, object]]:
    """Generations and refusals by day, or by month where the days would not fit."""
    length = MONTH if len(days) > MOST_BARS else None
    found: dict[str, dict[str, int]] = {}
    for day, counts in sorted(days.items()):
        bar = found.setdefault(day[:length], {"asked": 0, "filtered_out": 0})
        for name in bar:
            bar[name] += counts[name]
    return [{"label": label, **counts} for label, counts in found.items()]
