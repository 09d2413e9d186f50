"""Registering, superseding and revoking model releases; the deny-list; destruction."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.canonical import fingerprint
from governance.kernel.errors import DomainError, InvalidRequest
from governance.models import DeniedFile, ModelRelease, ReleaseFile, ReleaseStatus
from governance.operations import audit

CHUNK = 1 << 20


class ReleaseDenied(DomainError):
    """A file of the release is on the deny-list (section 4.1(c))."""

    code = "release_denied"
    title = "A file of this release is on the deny-list"
    status = 422


@dataclass(frozen=True)
class HashedFile:
    """A file of a release: path inside its folder, SHA-256, size in bytes."""

    path: str
    sha256: str
    size: int


def hashed_files(folder: Path) -> list[HashedFile]:
    """Every file below ``folder`` with its hash, in the order of its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        HashedFile(str(path.relative_to(folder)), _digest(path), path.stat().st_size)
        for path in files
    ]


def weights_sha256(files: list[HashedFile]) -> str:
    """One hash over all files: of the canonical JSON of path and hash in order."""
    return fingerprint([[file.path, file.sha256] for file in files])


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def read_card(folder: Path) -> dict[str, Any]:
    """The release's card, ``licet.json`` in its folder. Raises InvalidRequest."""
    card = folder / "licet.json"
    if not card.is_file():
        raise InvalidRequest(f"{folder} has no licet.json.")
    data: dict[str, Any] = json.loads(card.read_text())
    return data


@transaction.atomic
def register_release(
    *,
    name: str,
    variant: str,
    source: str,
    files: list[HashedFile],
    actor: Actor,
    at: datetime,
    licence: str = "Krea 2 Community License Agreement v.1",
    revision: str = "",
    kind: str = "base",
    parent: ModelRelease | None = None,
    organization_id: Any = None,
    **figures: int,
) -> ModelRelease:
    """Put a release on record with the hash of every file; asked again with the same, it stands.

    ``figures``: steps, guidance_milli, min_side, max_side, default_side (px). A derivative is
    flagged as modified, names what it derives from and carries the generated notice (3.2).
    Raises InvalidRequest where the name does not begin with "Krea" (3.1(b)) or the lineage is not
    sound, ReleaseDenied where a file is on the deny-list.
    """
    derived = kind != "base"
    _require_sound(name, licence, parent, derived=derived)
    _require_not_denied(files)
    release, created = ModelRelease.objects.get_or_create(
        slug=slug_of(name),
        defaults={
            "name": name, "variant": variant, "source": source, "revision": revision,
            "licence": licence, "weights_sha256": weights_sha256(files), "kind": kind,
            "parent": parent, "organization_id": organization_id, "modified": derived,
            "notice": modified_notice(name, parent) if derived else "", **figures,
        },
    )  # fmt: skip
    if created:
        ReleaseFile.objects.bulk_create(
            ReleaseFile(release=release, path=file.path, sha256=file.sha256, size=file.size)
            for file in files
        )
        _record("release.registered", release, actor, {"files": len(files), "at": at.isoformat()})
    elif release.weights_sha256 != weights_sha256(files):
        raise InvalidRequest(
            f"{name} is on record with other files; register it under a new name.", param="name"
        )
    return release


@transaction.atomic
def supersede_release(*, release: ModelRelease, actor: Actor) -> ModelRelease:
    """Make way for new files under the same name: the old release keeps its row under a new slug."""
    release = ModelRelease.objects.select_for_update().get(id=release.id)
    if release.status == ReleaseStatus.ACTIVE:
        release.slug = f"{release.slug[:50]}-{release.weights_sha256[:12]}"
        release.status = ReleaseStatus.SUPERSEDED
        release.save(update_fields=["slug", "status"])
        _record("release.superseded", release, actor, {})
    return release


def slug_of(name: str) -> str:
    """The release's name in the API: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def modified_notice(name: str, parent: ModelRelease | None) -> str:
    """The notice that a derivative carries (section 3.2)."""
    base = parent.name if parent else "Krea 2"
    return (
        f"{name} is a modified version of {base}. It is not an official release of the licensor. "
        "Krea 2 is licensed under the Krea 2 Community License Agreement. "
        "For more information, visit https://krea.ai/krea-2-licensing."
    )


def _require_sound(name: str, licence: str, parent: ModelRelease | None, *, derived: bool) -> None:
    if not name.startswith("Krea"):
        raise InvalidRequest('The name must begin with "Krea" (section 3.1(b)).', param="name")
    if not licence.strip():
        raise InvalidRequest("Name the licence that the files come under.", param="licence")
    if derived != (parent is not None):
        raise InvalidRequest(
            "An adapter or repack names the release that it derives from; a base model none.",
            param="parent",
        )
    if parent is not None and parent.status == ReleaseStatus.REVOKED:
        raise InvalidRequest(
            f"{parent.name} is revoked; nothing may derive from it.", param="parent"
        )


def _require_not_denied(files: list[HashedFile]) -> None:
    denied = DeniedFile.objects.filter(sha256__in=[file.sha256 for file in files]).first()
    if denied is not None:
        raise ReleaseDenied(
            f"The file {denied.sha256} may not be used here: {denied.reason}.",
            sha256=denied.sha256,
        )


def _record(act: str, release: ModelRelease, actor: Actor, facts: dict[str, object]) -> None:
    audit.record(
        act=act,
        actor=actor,
        subject_kind="release",
        subject_id=release.id,
        facts={"slug": release.slug, "weights_sha256": release.weights_sha256, **facts},
    )
