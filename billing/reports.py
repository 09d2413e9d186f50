"""A statement as PDF (typst, the same bytes every time), and the ledger's chapter of the report."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typst
from django.db import connection

from billing.models import Statement
from governance.kernel.money import format_usd
from governance.kernel.report_parts import Check, ReportScope, ReportSection

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


# Charges that the log names, beside the captured holds; credits beside the journal.
CAPTURES = """
    WITH charged AS (
        SELECT subject_id::uuid AS job, coalesce((facts->>'charged_microusd')::bigint, 0) AS amount
        FROM governance_audit_entry
        WHERE act = 'generation.succeeded' AND at >= %(starts_at)s AND at < %(ends_at)s
          AND (%(organization)s::uuid IS NULL OR organization_id = %(organization)s::uuid)
    )
    SELECT coalesce(sum(c.amount), 0)::bigint, coalesce(sum(h.captured), 0)::bigint,
           count(*) FILTER (WHERE coalesce(h.captured, 0) <> c.amount)
    FROM charged c LEFT JOIN billing_hold h ON h.job_id = c.job
"""
FREE = """
    SELECT count(*) FROM billing_hold h JOIN governance_audit_entry e
      ON e.subject_kind = 'generation' AND e.subject_id = h.job_id::text
    WHERE e.act IN ('generation.failed', 'generation.blocked', 'generation.cancelled')
      AND h.captured > 0 AND e.at >= %(starts_at)s AND e.at < %(ends_at)s
      AND (%(organization)s::uuid IS NULL OR h.organization_id = %(organization)s::uuid)
"""
LEGS = """
    SELECT count(*), count(*) FILTER (WHERE total <> 0)
    FROM (SELECT t.id, coalesce(sum(l.amount), 0) AS total
          FROM billing_ledger_transaction t
          LEFT JOIN billing_ledger_entry l ON l.transaction_id = t.id
          WHERE t.booked_at >= %(starts_at)s AND t.booked_at < %(ends_at)s
            AND (%(organization)s::uuid IS NULL OR t.organization_id = %(organization)s::uuid)
          GROUP BY t.id) AS sums
"""


def ledger(scope: ReportScope) -> list[ReportSection]:
    """That what the log says was charged is what was captured, and that the books balance."""
    values = {
        "starts_at": scope.starts_at,
        "ends_at": scope.ends_at,
        "organization": scope.organization_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(CAPTURES, values)
        charged, captured, wrong = cursor.fetchone()
        cursor.execute(FREE, values)
        (not_free,) = cursor.fetchone()
        cursor.execute(LEGS, values)
        transactions, unbalanced = cursor.fetchone()
    money = scope.figures["money"]
    return [
        ReportSection(
            "ledger",
            "Ledger reconciliation",
            75,
            "Only delivered images are charged; each transaction's legs sum to zero.",
            facts=(
                ("Charged for delivered images", format_usd(money["charged_microusd"])),
                ("Credit granted", format_usd(money["credited_microusd"])),
                ("Refunded", format_usd(money["refunded_microusd"])),
                ("Adjusted by two people", format_usd(money["adjusted_microusd"])),
                ("Ledger transactions", f"{transactions:,}"),
            ),
            checks=(
                Check("captures, µUSD", charged, captured, wrong),
                Check("charges on jobs that delivered nothing", 0, not_free, not_free),
                Check(
                    "ledger transactions in balance",
                    transactions,
                    transactions - unbalanced,
                    unbalanced,
                ),
            ),
        )
    ]
