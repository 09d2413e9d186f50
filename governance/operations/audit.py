"""Writing the audit log."""

from typing import Any
from uuid import UUID

from governance.kernel.actors import Actor
from governance.kernel.commitments import FACT_PREFIX, committed, split_facts
from governance.kernel.tenancy import privileged
from governance.models import AuditEntry


@privileged()
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
    secret; what names a person in it (an e-mail address anywhere, or a name in ``PERSONAL_FACTS``) is
    kept apart, erasable, and committed to. The time is the database's. Takes no lock: the sequencer
    makes a leaf of it later.
    """
    public, named = split_facts(facts or {})
    personal = {FACT_PREFIX + name: value for name, value in named.items()}
    whole = {"actor": actor.label, "ip": actor.ip or "", **personal}
    salts, commitments = committed({name: value for name, value in whole.items() if value})
    return AuditEntry.objects.create(
        organization_id=organization_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label,
        ip=actor.ip,
        act=act,
        subject_kind=subject_kind,
        subject_id=str(subject_id),
        facts=public,
        personal=personal,
        salts=salts,
        commitments=commitments,
        request_id=actor.request_id,
    )
