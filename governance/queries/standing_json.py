"""A standing as JSON: for the command line, the API and the report."""

from datetime import datetime
from typing import Any

from governance.licensing.standing import Reason, Standing


def standing_to_json(standing: Standing) -> dict[str, Any]:
    """``standing`` with moments as ISO 8601 and every reason with its source and citation."""
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


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
