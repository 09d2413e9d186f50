"""Reference images from users: by their hash first, then decoded, then by their look."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.operations import audit
from moderation.classifiers import pdq
from moderation.models import Decision, HashEntry
from moderation.operations.cases import case_for_decision
from moderation.operations.intake import AdmittedMedia, admit_media
from moderation.queries.banks import BankHit, hit_by_sha256, hits_by_pixels
from moderation.queries.policies import active_bundle

ITEMS = {"child_safety": "1", "intimate": "2", "removals": "2", "deny": "7"}
STAGE = "media"


class MediaBlocked(DomainError):
    """The picture is in a hash bank. Nothing more is said of which one, and nothing is charged."""

    code = "moderation_blocked"
    title = "The picture was refused by the content filter"
    status = 400
    openai_type = "image_generation_user_error"


def screen_media(
    *, data: bytes, job_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> AdmittedMedia:
    """The decoded reference image. Raises MediaUnusable and MediaBlocked.

    Its SHA-256 is looked up before a byte is decoded, its perceptual hash (8 orientations) before any
    model sees it. A child-safety hit reaches no model and no storage: only the decision is written.
    """
    digest = sha256_hex(data)
    hit = hit_by_sha256(digest)
    _refuse(hit, digest, job_id, organization_id, actor, at)
    media = admit_media(data)
    if hit is None or hit.bank != "allow":
        near = [found for found in hits_by_pixels(media.pixels) if found.bank != "allow"]
        _refuse(near[0] if near else None, digest, job_id, organization_id, actor, at)
    return media


@transaction.atomic
def add_to_bank(
    *, bank: str, sha256: str, media: AdmittedMedia | None, source: str, actor: Actor, at: datetime
) -> HashEntry:
    """Remember a picture by its SHA-256 and, where its pixels are at hand, its perceptual hash.

    Added twice, the first entry stands.
    """
    look = pdq.pdq(media.pixels).hex if media is not None else ""
    entry, created = HashEntry.objects.get_or_create(
        bank=bank,
        sha256=sha256,
        pdq=look,
        defaults={"source": source, "added_at": at, "added_by": actor.label or actor.id},
    )
    if created:
        audit.record(
            act="hash.added",
            actor=actor,
            subject_kind="hash_entry",
            subject_id=entry.id,
            facts={"bank": bank, "source": source},
        )
    return entry


def _refuse(
    hit: BankHit | None,
    sha256: str,
    job_id: UUID,
    organization_id: UUID,
    actor: Actor,
    at: datetime,
) -> None:
    if hit is None or hit.bank == "allow":
        return
    decision = _decide(hit, sha256, job_id, organization_id, actor, at)
    raise MediaBlocked(
        "The picture was refused by the acceptable use policy. Nothing was charged.",
        stage=STAGE,
        aup_items=[ITEMS[hit.bank]],
        decision_id=str(decision.id),
        charged_microusd=0,
    )


@transaction.atomic
def _decide(
    hit: BankHit, sha256: str, job_id: UUID, organization_id: UUID, actor: Actor, at: datetime
) -> Decision:
    policy = active_bundle()
    child_safety = hit.bank == "child_safety"
    decision = Decision.objects.create(
        id=uuid7(),
        organization_id=organization_id,
        job_id=job_id,
        stage=STAGE,
        subject_kind="reference",
        subject_sha256=sha256,
        policy_version=policy.version,
        policy_hash=policy.hash,
        outcome="block_and_report" if child_safety else "block",
        item=ITEMS[hit.bank],
        reason="The picture is known.",
        complete=True,
        actor_kind=actor.kind,
        actor_id=actor.id,
        at=at,
    )
    audit.record(
        act="media.withheld",
        actor=actor,
        organization_id=organization_id,
        subject_kind="decision",
        subject_id=decision.id,
        facts={"bank": hit.bank, "by": hit.by, "distance": hit.distance},
    )
    case_for_decision(decision)
    return decision
