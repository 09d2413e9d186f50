"""The report as one JSON document: figures from the log, chapters from every app, a verdict."""

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from governance.kernel.registry import report_projections, report_sections
from governance.kernel.report_parts import Clause, ReportScope, ReportSection
from governance.models import AuditCheckpoint, Organization
from governance.queries.terms import terms_in_force
from governance.reports.figures import report_figures
from governance.reports.period import Period

VERSION = 1
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"
ATTRIBUTION = (
    "Krea 2 is licensed under the Krea 2 Community License Agreement. "
    "For more information, visit https://krea.ai/krea-2-licensing."
)


@dataclass(frozen=True)
class Report:
    """A finished report: the document, and the chapters that it was made of."""

    document: dict[str, Any]
    organization: Organization | None
    period: Period
    checkpoint: AuditCheckpoint
    projections: dict[str, bytes]


def make_report(
    *, organization: Organization | None, period: Period, checkpoint: AuditCheckpoint
) -> Report:
    """Count, ask every app for its chapters, and say in one sentence how it stands. Writes nothing."""
    organization_id = organization.id if organization else None
    figures = report_figures(organization_id, period.starts_at, period.ends_at)
    scope = ReportScope(organization_id, period.starts_at, period.ends_at, figures)
    sections = sorted(
        (section for make in report_sections.all() for section in make(scope)),
        key=lambda section: (section.order, section.name),
    )
    terms = terms_in_force(period.ends_at)
    document = {
        "object": "compliance_report",
        "version": VERSION,
        "organization": {
            "id": str(organization_id) if organization_id else None,
            "slug": organization.slug if organization else None,
            "name": organization.name if organization else "Whole deployment",
        },
        "period": {
            "label": period.label,
            "from": moment(period.starts_at),
            "until": moment(period.ends_at),
            "closed": period.closed,
        },
        "status": status_of(sections, figures, period),
        "terms": {
            "label": terms.label,
            "sha256": terms.sha256,
            "licence_sha256": terms.licence.sha256,
            "policy_sha256": terms.policy.sha256,
            "notice_sha256": terms.notice.sha256,
        },
        "log": {
            "size": checkpoint.size,
            "root": bytes(checkpoint.root).hex(),
            "at": moment(checkpoint.at),
        },
        "figures": figures,
        "clauses": [
            asdict(clause)
            for clause in sorted(
                (clause for section in sections for clause in section.clauses), key=clause_order
            )
        ],
        "reconciliation": [asdict(check) for section in sections for check in section.checks],
        "sections": [chapter(section) for section in sections],
        "notice": ATTRIBUTION,
    }
    projections = {"projections/licensor-pack.json": licensor_pack(document)}
    for make in report_projections.all():
        projections.update(make(scope))
    return Report(document, organization, period, checkpoint, projections)


def licensor_pack(document: dict[str, Any]) -> bytes:
    """What shows the licensor that the model is used within its licence; no figure of money or people."""
    own = [each for each in document["clauses"] if "Krea" in each["source"]]
    chapters = ("filters", "coverage", "incidents", "releases", "policies", "provenance")
    pack = {
        "object": "licensor_pack",
        "organization": document["organization"],
        "period": document["period"],
        "status": document["status"],
        "terms": document["terms"],
        "log": document["log"],
        "clauses": own,
        "figures": {
            name: document["figures"][name]
            for name in ("generations", "images", "incidents", "reviews", "appeals")
        },
        "sections": [each for each in document["sections"] if each["name"] in chapters],
        "notice": document["notice"],
    }
    return json.dumps(pack, indent=1, ensure_ascii=False, sort_keys=True).encode()


def clause_order(clause: Clause) -> tuple[bool, list[int], str]:
    """The licence's clauses by their numbers, then everything else."""
    own = clause.number[:1].isdigit() and clause.source.endswith("Agreement")
    return not own, [int(digits) for digits in re.findall(r"\d+", clause.number)], clause.number


def moment(value: datetime) -> str:
    """A time as it stands in leaves, so that both compare as text."""
    return value.astimezone(UTC).strftime(MOMENT)


def chapter(section: ReportSection) -> dict[str, Any]:
    """A section without what stands in the tables of clauses and checks."""
    return {
        "name": section.name,
        "title": section.title,
        "sentence": section.sentence,
        "facts": [{"label": label, "value": value} for label, value in section.facts],
        "tables": [
            {
                "title": each.title,
                "columns": list(each.columns),
                "rows": [list(row) for row in each.rows],
            }
            for each in section.tables
        ],
    }


def status_of(
    sections: list[ReportSection], figures: dict[str, Any], period: Period
) -> dict[str, Any]:
    """The verdict in one word, one sentence, and how many clauses say what."""
    results = [clause.result for section in sections for clause in section.clauses]
    counted = {word: results.count(word) for word in ("pass", "attention", "fail")}
    wrong = sum(check.differences for section in sections for check in section.checks)
    word = "fail" if counted["fail"] or wrong else "attention" if counted["attention"] else "pass"
    total = figures["generations"]
    how = {
        "pass": "Every control held",
        "attention": f"{counted['attention']} of {len(results)} controls need attention, none failed",
        "fail": f"{counted['fail']} of {len(results)} controls failed",
    }[word]
    against = f", and {wrong} records differ from the log" if wrong else ""
    coverage = (
        f"{total['asked']:,} generations, {total['filtered_in']:,} filtered in, "
        f"{total['filtered_out']:,} filtered out, {total['unfiltered']:,} unfiltered"
    )
    return {
        "result": word,
        "sentence": f"{how}{against}. {coverage}."
        + ("" if period.closed else " The period still runs."),
        "coverage": coverage,
        "clauses": counted,
        "differences": wrong,
    }
