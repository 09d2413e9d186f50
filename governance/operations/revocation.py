"""Revoking releases, the deny-list, and the statement that everything is destroyed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidRequest
from governance.kernel.locks import Lockable, lock_for_revocation
from governance.kernel.registry import revocation_hooks
from governance.models import DeniedFile, Destruction, ModelRelease, ReleaseFile, ReleaseStatus
from governance.operations import audit
from governance.queries.lineage import descendants


@dataclass(frozen=True)
class Revoked:
    """The releases that were revoked, derivatives included, and how many queued jobs were voided."""

    releases: list[ModelRelease]
    voided: int


@transaction.atomic
def revoke_release(*, release_id: UUID, reason: str, actor: Actor, at: datetime) -> Revoked:
    """Revoke a release and all that derives from it; queued jobs on them are voided.

    From this commit no job is admitted or claimed on it: both share its lock. Revoked
    again, the first revocation stands.
    """
    root = ModelRelease.objects.get(id=release_id)
    ids = sorted([root.id, *(release.id for release in descendants(root))])
    for locked in ids:
        lock_for_revocation(Lockable.RELEASE, locked)
    releases = list(ModelRelease.objects.select_for_update().filter(id__in=ids).order_by("id"))
    voided = 0
    for release in releases:
        if release.status == ReleaseStatus.REVOKED:
            continue
        release.status, release.revoked_at = ReleaseStatus.REVOKED, at
        release.revoked_reason = reason
        release.save(update_fields=["status", "revoked_at", "revoked_reason"])
        count = sum(hook(release.id, at) for hook in revocation_hooks.all())
        voided += count
        facts: dict[str, object] = {"reason": reason, "voided": count, "root": root.slug}
        _record("release.revoked", release, actor, facts)
    return Revoked(releases, voided)


@transaction.atomic
def deny_file(*, sha256: str, reason: str, actor: Actor, at: datetime) -> DeniedFile:
    """Put a file on the deny-list; releases that hold it are revoked. Denied again, it stands."""
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):  # noqa: PLR2004 (SHA-256)
        raise InvalidRequest("A SHA-256 is 64 hexadecimal digits.", param="sha256")
    denied, created = DeniedFile.objects.get_or_create(
        sha256=sha256,
        defaults={"reason": reason, "added_at": at, "added_by": actor.label or actor.id},
    )
    if created:
        audit.record(
            act="file.denied",
            actor=actor,
            subject_kind="file",
            subject_id=sha256,
            facts={"reason": reason},
        )
        for release_id in ReleaseFile.objects.filter(sha256=sha256).values_list(
            "release_id", flat=True
        ):
            revoke_release(
                release_id=release_id, reason=f"a file is denied: {reason}", actor=actor, at=at
            )
    return denied


@transaction.atomic
def sign_destruction(
    *, release_id: UUID, copies: list[str], statement: str, actor: Actor, at: datetime
) -> Destruction:
    """State that all copies and all derivatives of a revoked release are destroyed (9.4).

    ``copies`` names where they were. Raises InvalidRequest where the release is not revoked, no
    copy is named, or the actor is not a person.
    """
    release = ModelRelease.objects.select_for_update().get(id=release_id)
    if release.status != ReleaseStatus.REVOKED:
        raise InvalidRequest("Only a revoked release is destroyed.", param="release")
    if not copies or actor.kind != "user":
        raise InvalidRequest("A person signs, and names where the copies were.", param="copies")
    derivatives = [
        {"slug": d.slug, "weights_sha256": d.weights_sha256} for d in descendants(release)
    ]
    destruction = Destruction.objects.create(
        release=release,
        copies=copies,
        derivatives=derivatives,
        statement=statement,
        signed_by=actor.label or actor.id,
        signed_at=at,
    )
    facts: dict[str, object] = {"copies": copies, "derivatives": len(derivatives)}
    _record("release.destroyed", release, actor, facts)
    return destruction


def _record(act: str, release: ModelRelease, actor: Actor, facts: dict[str, object]) -> None:
    audit.record(
        act=act,
        actor=actor,
        subject_kind="release",
        subject_id=release.id,
        facts={"slug": release.slug, "weights_sha256": release.weights_sha256, **facts},
    )
