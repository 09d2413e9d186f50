"""The evidence vault: keep, open with a reason, erase by destroying keys, preserve under a hold."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.ids import uuid7
from governance.operations import audit
from moderation.kernel import envelope
from moderation.kernel.envelope import Erased
from moderation.models import Evidence, PreservationHold, RetentionClass, VaultKey

# Withheld prompts outlive the six months in which they can be appealed; child-safety evidence is
# kept for a year from its report (18 U.S.C. 2258A as amended), longer under a hold.
RETENTION = {
    RetentionClass.CHILD_SAFETY: timedelta(days=365),
    RetentionClass.WITHHELD: timedelta(days=200),
    RetentionClass.ORDINARY: timedelta(days=90),
}
CHILD_SAFETY_ITEM = "1"
BATCH = 500


class EvidenceErased(DomainError):
    """The evidence was erased on its day, or its key was destroyed."""

    code = "evidence_erased"
    title = "This evidence no longer exists"
    status = 410


class UnderHold(DomainError):
    """The evidence must be preserved; nothing may erase it."""

    code = "under_preservation_hold"
    title = "This evidence is under a preservation hold"
    status = 409


@transaction.atomic
def keep_evidence(
    *, plain: bytes, kind: str, decision_id: UUID, organization_id: UUID, item: str, at: datetime
) -> Evidence:
    """Seal ``plain`` under a key of its own. Item 1 goes to the child-safety class, under a hold."""
    child_safety = item == CHILD_SAFETY_ITEM
    retention = RetentionClass.CHILD_SAFETY if child_safety else RetentionClass.WITHHELD
    vault_key = _live_key(organization_id, retention, at)
    data_key, evidence_id = envelope.new_key(), uuid7()
    sealed = envelope.seal(plain, key=data_key, about=evidence_id.bytes)
    evidence = Evidence.objects.create(
        id=evidence_id,
        organization_id=organization_id,
        decision_id=decision_id,
        kind=kind,
        key=vault_key,
        wrapped_key=envelope.seal(data_key, key=_open_key(vault_key), about=evidence_id.bytes),
        nonce=sealed[: envelope.NONCE_BYTES],
        ciphertext=sealed[envelope.NONCE_BYTES :],
        created_at=at,
        expires_at=at + RETENTION[retention],
    )
    if child_safety:
        PreservationHold.objects.create(
            evidence=evidence,
            basis="child safety: preserved for a year",
            placed_at=at,
            not_before=at + RETENTION[retention],
        )
    return evidence


@transaction.atomic
def open_evidence(*, evidence_id: UUID, actor: Actor, justification: str) -> bytes:
    """The evidence in clear. Every opening is in the audit log with its justification.

    Raises NotFound, EvidenceErased, and DomainError for an empty justification.
    """
    if not justification.strip():
        raise JustificationMissing("Say why you open this; it is logged with your name.")
    evidence = Evidence.objects.select_related("key").filter(id=evidence_id).first()
    if evidence is None:
        raise NotFound("There is no such evidence.")
    try:
        about = evidence.id.bytes
        data_key = envelope.unseal(
            bytes(evidence.wrapped_key), key=_open_key(evidence.key), about=about
        )
        plain = envelope.unseal(
            bytes(evidence.nonce) + bytes(evidence.ciphertext), key=data_key, about=about
        )
    except Erased as gone:
        raise EvidenceErased("This evidence was erased.") from gone
    audit.record(
        act="evidence.opened",
        actor=actor,
        organization_id=evidence.organization_id,
        subject_kind="evidence",
        subject_id=evidence.id,
        facts={"justification": justification[:500], "decision": str(evidence.decision_id)},
    )
    return plain


class JustificationMissing(DomainError):
    """Opening a prompt needs a reason."""

    code = "justification_missing"
    title = "A justification is needed"
    status = 400


@transaction.atomic
def erase_expired(*, at: datetime, limit: int = BATCH) -> int:
    """Destroy the keys of evidence whose time is over; returns how many. What is under a hold stays.

    Idempotent; a beat task calls it until it returns 0.
    """
    held = PreservationHold.objects.filter(evidence=OuterRef("pk"), released_at__isnull=True)
    due = (
        Evidence.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(~Exists(held), erased_at__isnull=True, expires_at__lte=at)
        .order_by("expires_at")[:limit]
    )
    erased = [evidence.id for evidence in due if _erase(evidence, at)]
    if erased:
        audit.record(
            act="evidence.erased",
            actor=SYSTEM,
            subject_kind="evidence",
            subject_id="expired",
            facts={"count": len(erased), "at": at.isoformat()},
        )
    return len(erased)


@transaction.atomic
def erase_organization(*, organization_id: UUID, actor: Actor, at: datetime) -> int:
    """Erase a leaving organization's evidence by destroying its keys; returns how many keys.

    A key that guards preserved evidence stays; the rest under it is erased piece by piece.
    """
    destroyed = 0
    for key in VaultKey.objects.select_for_update().filter(
        organization_id=organization_id, destroyed_at__isnull=True
    ):
        pieces = list(Evidence.objects.select_for_update().filter(key=key, erased_at__isnull=True))
        if any(_is_held(piece) for piece in pieces):
            for piece in pieces:
                _erase(piece, at)
            continue
        key.wrapped_key, key.destroyed_at = b"", at
        key.save(update_fields=["wrapped_key", "destroyed_at"])
        Evidence.objects.filter(key=key).update(wrapped_key=b"", erased_at=at)
        destroyed += 1
    audit.record(
        act="evidence.erased",
        actor=actor,
        organization_id=organization_id,
        subject_kind="organization",
        subject_id=organization_id,
        facts={"keys": destroyed},
    )
    return destroyed


def _erase(evidence: Evidence, at: datetime) -> bool:
    if _is_held(evidence):
        return False
    evidence.wrapped_key, evidence.ciphertext, evidence.erased_at = b"", b"", at
    evidence.save(update_fields=["wrapped_key", "ciphertext", "erased_at"])
    return True


def _is_held(evidence: Evidence) -> bool:
    return PreservationHold.objects.filter(evidence=evidence, released_at__isnull=True).exists()


def _live_key(organization_id: UUID, retention: RetentionClass, at: datetime) -> VaultKey:
    found = VaultKey.objects.filter(
        organization_id=organization_id, retention=retention, destroyed_at__isnull=True
    ).first()
    if found is not None:
        return found
    key_id = uuid7()
    wrapped = envelope.seal(envelope.new_key(), key=_root(), about=key_id.bytes)
    made, _ = VaultKey.objects.get_or_create(
        organization_id=organization_id,
        retention=retention,
        destroyed_at=None,
        defaults={"id": key_id, "wrapped_key": wrapped, "created_at": at},
    )
    return made


def _open_key(key: VaultKey) -> bytes:
    return envelope.unseal(bytes(key.wrapped_key), key=_root(), about=key.id.bytes)


def _root() -> bytes:
    secret: str = getattr(settings, "VAULT_KEY", "") or settings.SECRET_KEY
    return envelope.root_key(secret.encode())
