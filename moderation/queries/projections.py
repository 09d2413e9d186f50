"""The same records in the shapes that others ask for: DSA, CyberTipline, a ledger of removals.

Each is read from decisions and removals alone and holds no prompt, no picture and no name.
"""

import csv
import io
import json
from datetime import datetime
from typing import Any

from governance.kernel.canonical import canonical_json
from governance.kernel.report_parts import ReportScope
from moderation.models import Decision, Removal

# Items of the policy as the categories of the DSA transparency database (Art. 17 and 24(5)).
CATEGORIES = {
    "1": "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
    "2": "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    "3": "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    "4": "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    "5": "STATEMENT_CATEGORY_VIOLENCE",
    "6": "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    "7": "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
}
OTHERWISE = "STATEMENT_CATEGORY_SCOPE_OF_PLATFORM_SERVICE"
CHILD_SAFETY_ITEM = "1"
LONGEST_GROUND, LONGEST_EXPLANATION = 500, 2000


def projections(scope: ReportScope) -> dict[str, bytes]:
    """Files of a bundle by name. Drafts for the CyberTipline only where all organizations are asked for."""
    files = {
        "projections/dsa-statements-of-reasons.jsonl": b"".join(
            canonical_json(statement_of_reasons(each)) + b"\n" for each in refusals(scope)
        ),
        "projections/removals.csv": removal_ledger(scope),
    }
    if scope.organization_id is None:
        drafts = [
            cybertipline_draft(each)
            for each in refusals(scope)
            if each.item == CHILD_SAFETY_ITEM and each.subject_kind != "prompt"
        ]
        files["projections/cybertipline-drafts.json"] = json.dumps(drafts, indent=1).encode()
    return files


def refusals(scope: ReportScope) -> list[Decision]:
    """Decisions of the period that withheld something, oldest first."""
    found = Decision.objects.filter(at__gte=scope.starts_at, at__lt=scope.ends_at).exclude(
        outcome__in=("allow", "label")
    )
    if scope.organization_id is not None:
        found = found.filter(organization_id=scope.organization_id)
    return list(found.order_by("at", "id"))


def statement_of_reasons(decision: Decision) -> dict[str, Any]:
    """One statement in the fields of the DSA transparency database's API."""
    item = f"Item {decision.item}" if decision.item else "The policy"
    return {
        "puid": str(decision.id),
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_DISABLED"],
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": f"{item} of the acceptable use policy"[:LONGEST_GROUND],
        "incompatible_content_explanation": (
            decision.reason or "No usable answer of a classifier."
        )[:LONGEST_EXPLANATION],
        "incompatible_content_illegal": "No",
        "content_type": [
            "CONTENT_TYPE_TEXT"
            if "prompt" in decision.subject_kind
            else "CONTENT_TYPE_SYNTHETIC_MEDIA"
        ],
        "category": CATEGORIES.get(decision.item, OTHERWISE),
        "content_date": day(decision.at),
        "application_date": day(decision.at),
        "decision_facts": (
            f"Stage {decision.stage}, outcome {decision.outcome}, policy {decision.policy_version} "
            f"({decision.policy_hash}), SHA-256 of the subject {decision.subject_sha256}."
        ),
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": (
            "AUTOMATED_DECISION_FULLY" if decision.automated else "AUTOMATED_DECISION_PARTIALLY"
        ),
    }


def cybertipline_draft(decision: Decision) -> dict[str, Any]:
    """A draft for a person to complete and send (18 U.S.C. 2258A): hashes and times, no content."""
    return {
        "draft": True,
        "decision": str(decision.id),
        "incidentSummary": {
            "incidentType": "Child Pornography (possession, manufacture, and distribution)",
            "incidentDateTime": decision.at.isoformat(),
        },
        "internetDetails": {"providerOrganization": str(decision.organization_id)},
        "fileDetails": {
            "originalFileHash": {"hashType": "SHA256", "value": decision.subject_sha256},
            "fileAnnotations": {"generativeAi": decision.subject_kind == "image"},
        },
        "toComplete": ["reporter", "personOrUserReported", "location", "additionalInfo"],
    }


def removal_ledger(scope: ReportScope) -> bytes:
    """Every removal that was asked for in the period, as it stood at its end."""
    found = Removal.objects.filter(
        requested_at__gte=scope.starts_at, requested_at__lt=scope.ends_at
    )
    if scope.organization_id is not None:
        found = found.filter(organization_id=scope.organization_id)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["id", "image_sha256", "item", "requested_at", "due_at", "state", "closed_at", "late"]
    )
    for each in found.order_by("requested_at", "id"):
        closed = each.closed_at if each.closed_at and each.closed_at < scope.ends_at else None
        writer.writerow(
            [
                each.id, each.sha256, each.item, each.requested_at.isoformat(),
                each.due_at.isoformat(), each.state if closed else "open",
                closed.isoformat() if closed else "", (closed or scope.ends_at) > each.due_at,
            ]
        )  # fmt: skip
    return out.getvalue().encode()


def day(moment: datetime) -> str:
    """A date as the DSA's API takes it."""
    return moment.strftime("%Y-%m-%d")
