"""Uploaded evidence: stored under its hash's name, and read again by who may see it."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404

from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.operations.attestations import Evidence

LIMIT = 10 * 2**20


class EvidenceTooLarge(DomainError):
    """The uploaded file is larger than what is kept."""

    code = "evidence_too_large"
    title = "The evidence is too large"
    status = 413


def stored(upload: Any, folder: str) -> Evidence | None:
    """Keep an uploaded file below ``folder``; None where none came. Raises EvidenceTooLarge."""
    if upload is None:
        return None
    if upload.size > LIMIT:
        raise EvidenceTooLarge(f"The file is larger than {LIMIT // 2**20} MB.")
    digest = sha256()
    for chunk in upload.chunks():
        digest.update(chunk)
    upload.seek(0)
    path = default_storage.save(f"evidence/{folder}/{uuid7().hex}", upload)
    return Evidence(name=upload.name[:300], path=path, sha256=digest.hexdigest())


def download(path: str, name: str, digest: str) -> FileResponse:
    """The stored file as an attachment, never shown inline, if it still has its hash.

    Raises Http404 where the file is gone, or is no longer what was put on record.
    """
    if not path or not default_storage.exists(path) or _digest(path) != digest:
        raise Http404
    return FileResponse(
        default_storage.open(path),
        as_attachment=True,
        filename=name,
        content_type="application/octet-stream",
        headers={"X-Document-SHA256": digest},
    )


def _digest(path: str) -> str:
    digest = sha256()
    for chunk in _chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: str) -> Iterator[bytes]:
    with default_storage.open(path) as stream:
        yield from stream.chunks()
