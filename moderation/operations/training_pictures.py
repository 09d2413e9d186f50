"""Pictures that a model is to learn from: judged like those it draws, and signed for byte by byte."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from PIL import Image

from governance.kernel.canonical import sha256_hex
from moderation.classifiers.protocols import Pixels
from moderation.kernel import receipts
from moderation.kernel.bundles import Bundle
from moderation.kernel.receipts import ReceiptInvalid
from moderation.kernel.verdicts import Verdict
from moderation.operations.intake import AdmittedMedia
from moderation.operations.picture_verdicts import judge_picture, policy_for, require_allowed
from moderation.operations.refusals import GateRefusal

__all__ = [
    "PictureRefused",
    "ReceiptInvalid",
    "ScreenedPicture",
    "screen_training_picture",
    "verify_picture_receipt",
]
KIND = "training_picture"
MOST_SIDE = 2048


class PictureRefused(GateRefusal):
    """The picture is, or may be, against the acceptable use policy; it is not kept and not learned."""

    code = "moderation_blocked"
    title = "The picture was refused by the content filter"

    def sentence(self, stage: str, bundle: Bundle, items: list[str]) -> str:  # noqa: ARG002
        """What happened, why, and that nobody needs to act."""
        named = f" (policy item {', '.join(items)})" if items else ""
        why = bundle.reason(items[0] if items else "")
        return f"The picture was refused by the acceptable use policy{named}. {why}"


@dataclass(frozen=True)
class ScreenedPicture:
    """A picture that may be learned from: the PNG that was judged, its hash, size in px, its receipt."""

    data: bytes
    sha256: str
    width: int
    height: int
    receipt: dict[str, Any]
    verdicts: tuple[Verdict, ...]


def screen_training_picture(*, media: AdmittedMedia, subject: UUID) -> ScreenedPicture:
    """Let every classifier that the policy requires of pictures judge ``media`` for ``subject``.

    Scaled down to 2048 px a side first; what is judged is what is kept. Writes nothing. A picture that
    a person would have to look at is refused as well. Raises PictureRefused, and GateUnavailable,
    which may be retried.
    """
    data = _png(media.pixels)
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        picture = np.asarray(image)
    bundle = policy_for(subject)
    digest = sha256_hex(data)
    result = judge_picture(pixels=picture, digest=digest, kind=KIND, bundle=bundle, subject=subject)
    require_allowed(result, bundle=bundle, refusal=PictureRefused)
    receipt = receipts.sign(
        {
            "v": 1,
            "kind": KIND,
            "subject": str(subject),
            "sha256": digest,
            "uploaded_sha256": media.sha256,
            "policy": {"version": bundle.version, "hash": bundle.hash},
            "decision": str(result.decision_id),
            "outcome": str(result.outcome),
            "verdicts": [verdict.as_evidence() for verdict in result.verdicts],
        },
        key=settings.RECEIPT_KEY,
    )
    return ScreenedPicture(data, digest, width, height, receipt, result.verdicts)


def verify_picture_receipt(*, data: bytes, receipt: Mapping[str, Any], subject: UUID) -> None:
    """Raises ReceiptInvalid unless the gate allowed exactly these bytes to be learned from."""
    receipts.verify(
        receipt,
        key=settings.RECEIPT_KEY,
        expected={"v": 1, "kind": KIND, "subject": str(subject), "sha256": sha256_hex(data)},
    )
    if receipt.get("outcome") not in {"allow", "label"} or not receipt.get("verdicts"):
        raise ReceiptInvalid("The receipt does not allow this picture.")


def _png(pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=3)
    return stream.getvalue()
