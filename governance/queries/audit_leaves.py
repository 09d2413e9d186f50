"""What an entry looks like as a leaf of the tree."""

from datetime import UTC

from governance.kernel.canonical import rfc8785
from governance.models import AuditEntry


def leaf_data(entry: AuditEntry, ordinal: int) -> bytes:
    """The canonical JSON (RFC 8785) that is hashed: no personal data, commitments to it."""
    organization = entry.organization_id
    return rfc8785(
        {
            "id": str(entry.id),
            "at": entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "organization": str(organization) if organization else None,
            "ordinal": ordinal,
            "actor": {"kind": entry.actor_kind, "id": entry.actor_id},
            "act": entry.act,
            "subject": {"kind": entry.subject_kind, "id": entry.subject_id},
            "facts": entry.facts,
            "personal": entry.commitments,
            "request": entry.request_id,
        }
    )
