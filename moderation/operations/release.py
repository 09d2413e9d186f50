"""The only way from pixels to bytes: judged by every required classifier, receipt bound to the bytes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from governance.kernel.canonical import sha256_hex
from moderation.classifiers.protocols import Pixels
from moderation.classifiers.registry import load_image
from moderation.kernel import passes, receipts
from moderation.kernel.bundles import Bundle, BundleInvalid, Required
from moderation.kernel.passes import ReleasedImage, ScreenedPrompt
from moderation.kernel.receipts import ReceiptInvalid
from moderation.kernel.verdicts import Reading, Subject
from moderation.operations.marking import (
    Claim,
    ProvenanceFailed,
    Weights,
    with_provenance,
)
from moderation.operations.overturns import with_allowance
from moderation.operations.pictures import ImageUnusable, usable_picture
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
    "ProvenanceFailed",
    "ReceiptInvalid",
    "ReleasedImage",
    "Weights",
    "record_image_decisions",
    "release_image",
    "verify_receipt",
]


def release_image(
    *,
    pixels: Pixels,
    encode: Callable[[Pixels], bytes],
    prompt: ScreenedPrompt,
    job_id: UUID,
    attempt: int,
    index: int,
    release_slug: str,
    weights: Sequence[Weights] = (),
) -> ReleasedImage:
    """Judge ``pixels``, mark and encode them, and sign for the bytes. Needs no database.

    ``encode`` is called after every required classifier of the prompt's policy has allowed the
    picture, with the pixels that were judged and their watermark, made read-only, once for each
    strength that is tried; what it gives gets the content credentials, which name ``weights``.
    All is read back from the final bytes. Raises ImageUnusable, ImageBlocked, ImageHeld,
    ProvenanceFailed, ReceiptInvalid (a prompt that the gate did not allow for this job) and
    GateUnavailable. May be called again for another attempt.
    """
    _check_prompt(prompt, job_id)
    picture = usable_picture(pixels)
    bundle = _policy_of(prompt)
    result = _judge(
        picture, bundle, Subject("image", _pixels_sha256(picture), job_id, attempt, index)
    )
    result = with_allowance(result, allowed=prompt.receipt.get("allowed_pixels", ()))
    _raise_unless_allowed(result, bundle)
    provenance = with_provenance(
        picture=picture,
        encode=encode,
        claim=lambda mark: Claim(
            release_slug, tuple(weights), result.decision_id, bundle.hash, mark
        ),
        waiver=str(prompt.receipt.get("provenance_waiver", "")),
    )
    digest = sha256_hex(provenance.data)
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
            "provenance": provenance.facts,
            "references": [part.sha256 for part in weights if part.kind == "reference"],
            "verdicts": [verdict.as_evidence() for verdict in result.verdicts],
        },
        key=settings.RECEIPT_KEY,
    )
    return passes.seal_image(
        bundle=bundle,
        verdicts=result.verdicts,
        data=provenance.data,
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
