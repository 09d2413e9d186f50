"""A standing as JSON: for the command line, the API and the report."""

from datetime import datetime
from typing import Any

from governance.licensing.standing import Reason, Standing, Status


def standing_to_json(standing: Standing) -> dict[str, Any]:
    """``standing`` with moments as ISO 8601 and every reason with its source and citation."""
    reached = standing.seats.line_reached_on
    return {
        "organization_id": standing.organization_id,
        "status": str(standing.status),
        "may_generate": standing.may_generate,
        "grace_until": _iso(standing.grace_until),
        "changes_at": _iso(standing.changes_at),
        "decided_at": _iso(standing.decided_at),
        "terms": {"version_id": standing.terms_version, "sha256": standing.terms_sha256},
        "seats": {
            "used": standing.seats.used,
            "pending": standing.seats.pending,
            "limit": standing.seats.limit,
            "peak_30_days": standing.seats.peak,
            "line_reached_on": reached.isoformat() if reached else None,
        },
        "reasons": [reason_to_json(reason) for reason in standing.reasons],
    }


def reason_to_json(reason: Reason) -> dict[str, Any]:
    """``reason`` with its moment as ISO 8601."""
    return {
        "rule": reason.rule,
        "terms_version": reason.terms_version,
        "source": reason.source,
        "citation": reason.citation,
        "fact": reason.fact,
        "next_step": reason.next_step,
        "status": str(reason.status),
        "blocks": reason.blocks,
        "grace_until": _iso(reason.grace_until),
    }


def reason_from_json(kept: dict[str, Any]) -> Reason:
    """The reason that ``reason_to_json`` wrote."""
    grace = kept["grace_until"]
    return Reason(
        rule=kept["rule"],
        terms_version=kept["terms_version"],
        source=kept["source"],
        citation=kept["citation"],
        fact=kept["fact"],
        next_step=kept["next_step"],
        status=Status(kept["status"]),
        blocks=kept["blocks"],
        grace_until=datetime.fromisoformat(grace) if grace else None,
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
