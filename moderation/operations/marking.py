"""Stage 6 of the gate: watermark, encode, content credentials; each read back from the final bytes."""

import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import c2pa
import numpy as np
from PIL import Image

from governance.kernel.errors import DomainError
from moderation.classifiers.media_headers import MediaRefused, read_header
from moderation.classifiers.pdq import pdq
from moderation.classifiers.protocols import Pixels
from moderation.operations.pictures import ImageUnusable, decoded_encoding
from moderation.provenance import credentials, watermark
from moderation.provenance.chain import SignerUnusable
from moderation.provenance.code import MARK_BITS
from moderation.provenance.credentials import Claim, Weights

MILLI = 1000
STRENGTHS = (0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4)
"""Tried in this order until the mark survives; the first that does is used."""
GOOD_PSNR_DB, LEAST_PSNR_DB = 40.0, 34.0
"""Above the first the mark is asked to outlive more; below the second, only to be read back at all."""
SAFE_FIT = 0.5
"""The final bytes must fit the code word this well: far above what a reader asks (0.42)."""
RE_ENCODED_HARD, RE_ENCODED, SHOT = 50, 75, 80
HALF, SHOT_SCALE, CROPPED = 0.5, 0.75, 0.9**0.5
# Shorter sides in px from which a mark is asked to outlive the first of these changes, and all of them:
# below, too few pixels are left to hold it (docs/provenance.md has the figures).
FIRST_CHANGE_SIDE, ALL_CHANGES_SIDE = 96, 192

__all__ = ["Claim", "Provenance", "ProvenanceFailed", "Weights", "with_provenance"]


class ProvenanceFailed(DomainError):
    """Watermark or credentials could not be read back, so the picture was withheld. Free of charge."""

    code = "provenance_failed"
    title = "The picture could not be marked as made with AI"
    status = 503
    retryable = True


@dataclass(frozen=True)
class Provenance:
    """The final bytes, and what was read back from them, for the receipt."""

    data: bytes
    facts: dict[str, Any]


def with_provenance(
    *,
    picture: Pixels,
    encode: Callable[[Pixels], bytes],
    claim: Callable[[str], Claim],
    waiver: str = "",
) -> Provenance:
    """The picture as bytes that say they were made with AI. Needs no database.

    The mark is a fresh random number; ``claim`` gives the credentials for it. The weakest strength at
    which the mark outlives re-encoding, halving, cropping and a screenshot is used, as far as the
    size allows. ``waiver`` is the id of the two people's decision to leave it out: then the bytes
    are only encoded and read back. Raises ImageUnusable (the encoder's fault) and ProvenanceFailed.
    """
    if waiver:
        data = encode(picture)
        look = _look(decoded_encoding(data, picture))
        return Provenance(data, {"required": False, "waiver": waiver, **look})
    mark = secrets.randbits(MARK_BITS)
    try:
        marker = watermark.Marker(picture, mark)
    except watermark.TooSmall as refusal:
        raise ProvenanceFailed(f"{refusal} Ask for a larger picture.") from refusal
    reason = "The watermark could not be read back."
    for strength in STRENGTHS:
        marked = marker.strengthen(strength)
        psnr = watermark.psnr(picture, marked)
        robust = _survives(marked, mark, hard=psnr >= GOOD_PSNR_DB)
        if not (robust or psnr < LEAST_PSNR_DB or strength == STRENGTHS[-1]):
            continue
        data = _signed(_encoded(encode, marked), claim(f"{mark:012x}"))
        try:
            facts = _read_back(data, picture, mark)
        except ProvenanceFailed as failure:
            reason = failure.detail
        else:
            facts |= {
                "strength_milli": round(strength * MILLI),
                "psnr_millidb": round(psnr * MILLI),
                "robust": robust,
            }
            return Provenance(data, facts)
    raise ProvenanceFailed(f"{reason} Nothing was charged.")


def _survives(marked: Pixels, mark: int, *, hard: bool) -> bool:
    """Whether the mark is read after re-encoding, at half the size, cropped, and from a screenshot."""
    image, side = Image.fromarray(marked), min(marked.shape[:2])
    if side < FIRST_CHANGE_SIDE:
        return True
    if not _is_read(_re_encoded(image, RE_ENCODED_HARD if hard else RE_ENCODED), mark):
        return False
    return side < ALL_CHANGES_SIDE or (
        _is_read(_scaled(image, HALF), mark)
        and _is_read(_re_encoded(_scaled(image, SHOT_SCALE), SHOT), mark)
        and _is_read(_re_encoded(_cropped(image), RE_ENCODED), mark, part_of=CROPPED)
    )


def _is_read(image: Image.Image, mark: int, part_of: float = 1.0) -> bool:
    found = watermark.read(np.asarray(image), part_of=part_of)
    return found is not None and found.mark == mark


def _re_encoded(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def _scaled(image: Image.Image, scale: float) -> Image.Image:
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BILINEAR)


def _encoded(encode: Callable[[Pixels], bytes], marked: Pixels) -> bytes:
    marked.setflags(write=False)
    return encode(marked)


def _cropped(image: Image.Image) -> Image.Image:
    """The middle nine tenths of the picture's area."""
    width, height = round(image.width * CROPPED), round(image.height * CROPPED)
    left, top = (image.width - width) // 2, (image.height - height) // 3
    return image.crop((left, top, left + width, top + height))


def _signed(data: bytes, claim: Claim) -> bytes:
    try:
        media_type = read_header(data).media_type
    except MediaRefused as failure:
        raise ImageUnusable("The encoded file cannot be read back.") from failure
    try:
        return credentials.sign(data, media_type, claim)
    except (c2pa.C2paError, SignerUnusable) as failure:
        raise ProvenanceFailed(
            f"The content credentials could not be signed: {failure}. Nothing was charged."
        ) from failure


def _read_back(data: bytes, picture: Pixels, mark: int) -> dict[str, Any]:
    """What the final bytes themselves say. Raises ProvenanceFailed, ImageUnusable."""
    decoded = decoded_encoding(data, picture)
    found = watermark.read(decoded)
    if found is None or found.mark != mark or found.fit < SAFE_FIT:
        raise ProvenanceFailed("The watermark could not be read back from the finished file.")
    read = credentials.read(data, read_header(data).media_type)
    if read.state != "trusted" or not read.ours or read.source_type != credentials.SOURCE_TYPE:
        raise ProvenanceFailed("The content credentials could not be read back.")
    return {
        "required": True,
        "watermark": f"{mark:012x}",
        "credentials": read.manifest,
        "fit_milli": round(found.fit * MILLI),
        **_look(decoded),
    }


def _look(pixels: Pixels) -> dict[str, Any]:
    """The perceptual hash of the finished picture."""
    seen = pdq(pixels)
    return {"pdq": seen.hex, "pdq_quality": seen.quality}
