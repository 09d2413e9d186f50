"""Was this picture made here? By its bytes, its credentials, its watermark, its look. Keeps nothing."""

import json
import subprocess
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from governance.kernel.errors import DomainError
from moderation.models import ReleasedMark
from moderation.operations.intake import AdmittedMedia, admit_media
from moderation.provenance import credentials, reader_program, watermark
from moderation.provenance.credentials import Credentials
from moderation.queries.provenance import image_by_look, image_by_mark, image_by_sha256

LIMIT_S = 20.0
AT_ONCE, PATIENCE_S = 2, 10.0
_places = threading.BoundedSemaphore(AT_ONCE)


class Verdict(StrEnum):
    """What is said of a picture."""

    UNALTERED = "unaltered"
    MODIFIED = "modified"
    UNKNOWN = "unknown"


class VerifierBusy(DomainError):
    """Too many pictures are being looked at just now. Send it again in a moment."""

    code = "verifier_busy"
    title = "Other pictures are being verified just now"
    status = 503
    retryable = True


@dataclass(frozen=True)
class Known:
    """The released image that it is, for its own organization's people and keys only."""

    organization_id: UUID
    generation: UUID
    index: int
    released_at: datetime


@dataclass(frozen=True)
class Verification:
    """The answer. ``found_by``: bytes, credentials, watermark, look; ``distance`` in bits of 256."""

    verdict: Verdict
    found_by: tuple[str, ...]
    credentials: Credentials
    watermark: str
    distance: int | None
    sha256: str
    known: Known | None


@dataclass(frozen=True)
class _Traces:
    """Everything that a picture shows of its origin."""

    by_bytes: ReleasedMark | None
    credentials: Credentials
    mark: watermark.Found | None
    by_mark: ReleasedMark | None
    by_look: ReleasedMark | None
    distance: int | None


def verify_image(*, data: bytes, organizations: Collection[UUID] = ()) -> Verification:
    """Look at a stranger's file, in the sandbox, and say where it comes from. Stores nothing.

    ``organizations`` are those that the asker belongs to: only of their images is the generation told.
    Raises MediaUnusable (no picture that can be read) and VerifierBusy.
    """
    media, traces = _examined(data)
    image = _image(traces)
    mine = image is not None and image.organization_id in set(organizations)
    return Verification(
        verdict=_verdict(traces),
        found_by=_found_by(traces),
        credentials=traces.credentials,
        watermark=_watermark(traces),
        distance=traces.distance,
        sha256=media.sha256,
        known=_known(image) if image is not None and mine else None,
    )


def released_image(data: bytes) -> ReleasedMark | None:
    """The released image that a stranger's file shows, looked at in the sandbox; stores nothing.

    For the house alone: whose image it is must not be told to a stranger. Raises like ``verify_image``.
    """
    return _image(_examined(data)[1])


def _examined(data: bytes) -> tuple[AdmittedMedia, _Traces]:
    if not _places.acquire(timeout=PATIENCE_S):
        raise VerifierBusy("Send the picture again in a moment.", retry_after_s=5)
    try:
        media = admit_media(data)
        return media, _traces(media, data)
    finally:
        _places.release()


def _image(traces: _Traces) -> ReleasedMark | None:
    return traces.by_bytes or traces.by_mark or _by_credentials(traces) or traces.by_look


def _known(image: ReleasedMark) -> Known:
    return Known(image.organization_id, image.job_id, image.index, image.at)


def _traces(media: AdmittedMedia, data: bytes) -> _Traces:
    by_bytes = image_by_sha256(media.sha256)
    found = watermark.read(media.pixels, search=True)
    by_mark = image_by_mark(found.mark) if found is not None else None
    alike = None if by_bytes or by_mark else image_by_look(media.pixels)
    return _Traces(
        by_bytes=by_bytes,
        credentials=_credentials_apart(data, media.media_type),
        mark=found,
        by_mark=by_mark,
        by_look=alike.image if alike else None,
        distance=alike.distance if alike else None,
    )


def _verdict(traces: _Traces) -> Verdict:
    """Unaltered are only the very bytes that were released; any other trace says modified.

    Credentials of ours that do not fit the file count as a trace: it was changed, or they were copied.
    """
    if traces.by_bytes is not None:
        return Verdict.UNALTERED
    if traces.credentials.ours or traces.by_mark or traces.by_look:
        return Verdict.MODIFIED
    return Verdict.UNKNOWN


def _found_by(traces: _Traces) -> tuple[str, ...]:
    ways = {
        "bytes": traces.by_bytes is not None,
        "credentials": traces.credentials.ours,
        "watermark": traces.by_mark is not None,
        "look": traces.by_look is not None,
    }
    return tuple(way for way, found in ways.items() if found)


def _watermark(traces: _Traces) -> str:
    """none, ours, or foreign: a mark of the same method that is not in this registry."""
    if traces.mark is None:
        return "none"
    return "ours" if traces.by_mark is not None else "foreign"


def _by_credentials(traces: _Traces) -> ReleasedMark | None:
    """The image that our credentials name by its mark, where they fit the file."""
    if not traces.credentials.ours or traces.credentials.state != "trusted":
        return None
    named = (traces.credentials.facts or {}).get("watermark", {}).get("mark", "")
    return image_by_mark(int(named, 16)) if named else None


def _credentials_apart(data: bytes, media_type: str) -> Credentials:
    """The file's credentials, read by a process of its own: a crash there is an answer, no fault."""
    head = json.dumps({"media_type": media_type, "roots": credentials.roots()}).encode()
    command = [sys.executable, "-I", reader_program.__file__]
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and file)
            command, input=head + b"\n" + data, capture_output=True, timeout=LIMIT_S, check=False
        )
        return credentials.understood(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError, AttributeError):
        return Credentials("unreadable")
