"""Writing the audit log."""

from typing import Any
from uuid import UUID

from governance.kernel.actors import Actor
from governance.models import AuditEntry


def record(
    *,
    act: str,
    actor: Actor,
    subject_kind: str,
    subject_id: object,
    organization_id: UUID | None = None,
    facts: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry; call it inside the transaction of the act, so that both or neither stand.

    ``act`` is ``noun.verb_in_past`` (``api_key.revoked``). ``facts`` holds no prompt text and no
    secret. The time is the database's.
    """
    return AuditEntry.objects.create(
        organization_id=organization_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label,
        ip=actor.ip,
        act=act,
        subject_kind=subject_kind,
        subject_id=str(subject_id),
        facts=facts or {},
        request_id=actor.request_id,
    )
