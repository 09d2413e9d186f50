"""The only way from pixels to bytes: judged by every required classifier, receipt bound to the bytes."""

import io
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from PIL import Image

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from moderation.classifiers.protocols import Pixels
from moderation.classifiers.registry import load_image
from moderation.kernel import passes, receipts
from moderation.kernel.bundles import Bundle, BundleInvalid, Required
from moderation.kernel.passes import ReleasedImage, ScreenedPrompt
from moderation.kernel.receipts import ReceiptInvalid
from moderation.kernel.verdicts import Reading, Subject
from moderation.operations.overturns import with_allowance
from moderation.operations.recording import record_image_decisions
from moderation.operations.refusals import ImageBlocked, ImageHeld
from moderation.operations.screening import verify_prompt_receipt
from moderation.operations.stages import GateUnavailable, StageResult, run_stage
from moderation.queries.policies import bundle_by_hash

__all__ = [
    "GateUnavailable",
    "ImageBlocked",
    "ImageHeld",
    "ImageUnusable",
    "ReceiptInvalid",
    "ReleasedImage",
    "record_image_decisions",
    "release_image",
    "verify_receipt",
]
SMALLEST_SIDE, CHANNELS, DIMENSIONS = 16, 3, 3
# A picture of which every channel's brightest and darkest value lie this near shows nothing.
LEAST_CONTRAST = 8
# Encoding and an imperceptible watermark move a picture's 16 x 16 thumbnail by less than this.
THUMBNAIL, MOST_DRIFT = 16, 12.0


class ImageUnusable(DomainError):
    """The model made no picture: black, constant, not finite or of a wrong shape. Free of charge."""

    code = "image_unusable"
    title = "The model did not make a usable picture"
    status = 502
    retryable = True


def release_image(
    *,
    pixels: Pixels,
    encode: Callable[[Pixels], bytes],
    prompt: ScreenedPrompt,
    job_id: UUID,
    attempt: int,
    index: int,
    release_slug: str,
) -> ReleasedImage:
    """Judge ``pixels``, then encode them and sign for the bytes. Needs no database.

    ``encode`` is called after every required classifier of the prompt's policy has allowed the
    picture, with the very pixels that were judged, made read-only; its bytes are read back.
    Raises ImageUnusable, ImageBlocked, ImageHeld, ReceiptInvalid (a prompt that the gate did not
    allow for this job) and GateUnavailable. May be called again for another attempt.
    """
    _check_prompt(prompt, job_id)
    picture = usable_picture(pixels)
    bundle = _policy_of(prompt)
    result = _judge(
        picture, bundle, Subject("image", _pixels_sha256(picture), job_id, attempt, index)
    )
    result = with_allowance(result, allowed=prompt.receipt.get("allowed_pixels", ()))
    _raise_unless_allowed(result, bundle)
    data = encode(picture)
    check_encoding(data, picture)
    digest = sha256_hex(data)
    receipt = receipts.sign(
        {
            "v": 1,
            "kind": "image",
            "job": str(job_id),
            "attempt": attempt,
            "index": index,
            "sha256": digest,
            "pixels_sha256": result.verdicts[0].subject_sha256,
            "release": release_slug,
            "policy": {"version": bundle.version, "hash": bundle.hash},
            "decision": str(result.decision_id),
            "prompt_decision": str(prompt.decision_id),
            "prompt_signature": prompt.receipt[receipts.SIGNATURE],
            "outcome": str(result.outcome),
            "verdicts": [verdict.as_evidence() for verdict in result.verdicts],
        },
        key=settings.RECEIPT_KEY,
    )
    return passes.seal_image(
        bundle=bundle,
        verdicts=result.verdicts,
        data=data,
        sha256=digest,
        receipt=receipt,
        width=picture.shape[1],
        height=picture.shape[0],
    )


def verify_receipt(
    *, data_sha256: str, receipt: Mapping[str, Any], job_id: UUID, attempt: int, index: int
) -> None:
    """Raises ReceiptInvalid unless the gate released exactly these bytes for exactly this place."""
    receipts.verify(
        receipt,
        key=settings.RECEIPT_KEY,
        expected={
            "v": 1,
            "kind": "image",
            "job": str(job_id),
            "attempt": attempt,
            "index": index,
            "sha256": data_sha256,
        },
    )
    if receipt.get("outcome") not in {"allow", "label"} or not receipt.get("verdicts"):
        raise ReceiptInvalid("The receipt does not allow this image.")


def usable_picture(pixels: object) -> Pixels:
    """A read-only copy of ``pixels``. Raises ImageUnusable, and says what is wrong with them."""
    if not isinstance(pixels, np.ndarray) or pixels.ndim != DIMENSIONS:
        raise ImageUnusable("The model's output is no picture of height, width and colour.")
    if pixels.dtype != np.uint8:
        finite = np.issubdtype(pixels.dtype, np.number) and bool(np.isfinite(pixels).all())
        what = "not of 8 bits a channel" if finite else "not finite (NaN or infinite)"
        raise ImageUnusable(f"The model's output is {what}.")
    height, width, channels = pixels.shape
    if channels != CHANNELS or min(height, width) < SMALLEST_SIDE:
        raise ImageUnusable(f"The model's output has the shape {height} x {width} x {channels}.")
    darkest, brightest = pixels.min(axis=(0, 1)).astype(int), pixels.max(axis=(0, 1)).astype(int)
    if int((brightest - darkest).max()) < LEAST_CONTRAST:
        raise ImageUnusable("The model's output is one flat colour. Nothing was charged.")
    picture = np.array(pixels, order="C", copy=True)
    picture.setflags(write=False)
    return picture


def check_encoding(data: bytes, picture: Pixels) -> None:
    """Raises ImageUnusable unless ``data`` decodes to the picture that was judged."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            decoded = image.convert("RGB")
    except Exception as failure:
        raise ImageUnusable("The encoded file cannot be read back.") from failure
    same_size = decoded.size == (picture.shape[1], picture.shape[0])
    if not same_size or _drift(decoded, Image.fromarray(picture)) > MOST_DRIFT:
        raise ImageUnusable("The encoded file shows another picture than the one judged.")


def _drift(first: Image.Image, second: Image.Image) -> float:
    """The largest difference of two pictures' 16 x 16 thumbnails, in levels of 0 to 255."""
    size = (THUMBNAIL, THUMBNAIL)
    small = [
        np.asarray(each.resize(size, Image.Resampling.BOX), dtype=np.float32)
        for each in (first, second)
    ]
    return float(np.abs(small[0] - small[1]).max())


def _check_prompt(prompt: object, job_id: UUID) -> None:
    if type(prompt) is not ScreenedPrompt:
        raise ReceiptInvalid("Only a prompt that the gate has screened can become an image.")
    if prompt.job_id != job_id:
        raise ReceiptInvalid("The prompt was screened for another job.")
    verify_prompt_receipt(text=prompt.text, receipt=prompt.receipt, job_id=job_id)


def _policy_of(prompt: ScreenedPrompt) -> Bundle:
    try:
        return bundle_by_hash(str(prompt.receipt["policy"]["hash"]))
    except (BundleInvalid, KeyError, TypeError) as failure:
        raise GateUnavailable(
            f"The policy that the prompt was judged under cannot be read: {failure}"
        ) from failure


def _judge(picture: Pixels, bundle: Bundle, subject: Subject) -> StageResult:
    def ask(required: Required) -> Reading:
        return load_image(required).read_image(picture, sha256=subject.sha256)

    return run_stage(bundle=bundle, stage="output", subject=subject, ask=ask)


def _raise_unless_allowed(result: StageResult, bundle: Bundle) -> None:
    if result.refused:
        raise ImageBlocked(result, bundle=bundle, stage="output")
    if result.failures:
        names = ", ".join(verdict.detector for verdict in result.failures)
        raise GateUnavailable(
            f"The content filter ({names}) gave no usable answer, so the image was withheld. "
            "Nothing was charged.",
            verdicts=result.verdicts,
            stage="output",
        )
    if not result.outcome.passes:
        raise ImageHeld(result, bundle=bundle, stage="output")


def _pixels_sha256(picture: Pixels) -> str:
    return sha256_hex(repr(picture.shape).encode() + picture.tobytes())
