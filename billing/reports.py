"""A statement as PDF: typst, one wheel, the same bytes every time."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typst

from billing.models import Statement
from governance.kernel.money import format_usd

TEMPLATE = Path(__file__).parent / "statement.typ"


def statement_pdf(statement: Statement) -> bytes:
    """The statement as PDF/A; its date is the day that it was closed, so the bytes never change."""
    body = statement.body
    facts = {
        "organization": body["organization"]["name"],
        "number": body["number"],
        "starts_at": body["starts_at"][:10],
        "ends_at": body["ends_at"][:10],
        "opening": format_usd(body["opening_microusd"]),
        "closing": format_usd(body["closing_microusd"]),
        "sha256": statement.sha256,
        "previous_sha256": statement.previous_sha256 or "none: the first statement",
        "lines": [line_facts(line) for line in body["lines"]],
    }
    pdf: bytes = typst.compile(
        str(TEMPLATE),
        format="pdf",
        sys_inputs={"facts": json.dumps(facts)},
        pdf_standards=["a-2b"],
        timestamp=int(statement.closed_at.astimezone(UTC).timestamp()),
        ignore_system_fonts=True,
    )
    return pdf


def line_facts(line: dict[str, Any]) -> dict[str, str]:
    """One line as people read it."""
    about = [line["project"], line["key"], line["model"], line["size"]]
    when = datetime.fromisoformat(line["at"]).strftime("%Y-%m-%d") if line["at"] else ""
    return {
        "title": line["title"],
        "about": " · ".join(filter(None, about)) or line["reference"],
        "count": f"{line['images']:,} images" if line["images"] else when,
        "amount": format_usd(line["amount_microusd"]),
    }
