"""Writing the registry of released images, from their receipts."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from moderation.classifiers.pdq import words
from moderation.kernel.receipts import ReceiptInvalid
from moderation.models import ReleasedMark


@transaction.atomic
def record_released_images(
    *, receipts: Iterable[Mapping[str, Any]], organization_id: UUID, at: datetime
) -> None:
    """Register the images of these receipts, in the transaction that delivers them.

    The receipts were verified when the images were stored. Raises ReceiptInvalid where one says
    nothing of provenance: such an image is not delivered.
    """
    ReleasedMark.objects.bulk_create(_row(each, organization_id, at) for each in receipts)


def _row(receipt: Mapping[str, Any], organization_id: UUID, at: datetime) -> ReleasedMark:
    found = receipt.get("provenance")
    if not found:
        raise ReceiptInvalid("The receipt says nothing of watermark and content credentials.")
    return ReleasedMark(
        mark=int(found["watermark"], 16) if found["required"] else None,
        credentials=found.get("credentials", ""),
        waiver_id=found.get("waiver") or None,
        organization_id=organization_id,
        job_id=UUID(receipt["job"]),
        index=receipt["index"],
        attempt=receipt["attempt"],
        decision_id=UUID(receipt["decision"]),
        sha256=receipt["sha256"],
        pdq=found["pdq"],
        pdq_quality=found["pdq_quality"],
        pdq_words=words(bytes.fromhex(found["pdq"])),
        fit_milli=found.get("fit_milli", 0),
        psnr_millidb=found.get("psnr_millidb", 0),
        robust=found.get("robust", False),
        at=at,
    )
