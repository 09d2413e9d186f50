"""Which released image somebody means who writes down a number, a hash or an address."""

import re
from uuid import UUID

from moderation.models import ReleasedMark
from moderation.queries.provenance import image_by_mark, image_by_sha256

_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")
_MARK = re.compile(r"(?<![0-9a-f-])[0-9a-f]{12}(?![0-9a-f-])")
_UUID = re.compile(r"\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b(?:/(\d{1,2}))?")


def image_by_name(name: str) -> ReleasedMark | None:
    """The image named by its file's SHA-256, its watermark's number, its decision's id, or a generation's.

    The name may stand inside an address. A generation of several images needs the place behind it, as in
    the address of a page (``.../0``); without one it names an image only where there is one.
    """
    low = name.lower()
    if found := _SHA256.search(low):
        return image_by_sha256(found.group())
    if found := _UUID.search(low):
        return _by_uuid(UUID(found.group(1)), found.group(2))
    if found := _MARK.search(low):
        return image_by_mark(int(found.group(), 16))
    return None


def image_of_generation(job_id: UUID, index: int) -> ReleasedMark | None:
    """The image at this place of a generation."""
    return ReleasedMark.objects.filter(job_id=job_id, index=index).first()


def _by_uuid(key: UUID, place: str | None) -> ReleasedMark | None:
    decided = ReleasedMark.objects.filter(decision_id=key).first()
    if decided is not None:
        return decided
    if place is not None:
        return image_of_generation(key, int(place))
    alone = list(ReleasedMark.objects.filter(job_id=key)[:2])
    return alone[0] if len(alone) == 1 else None
