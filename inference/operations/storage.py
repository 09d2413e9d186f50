"""Storing released images: only bytes whose receipt verifies."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import NotFound
from inference.engine.protocol import Released
from inference.models import Artifact
from moderation.operations.release import verify_receipt

EXTENSIONS = {"image/png": "png", "image/webp": "webp", "image/jpeg": "jpg"}
SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"RIFF", "image/webp"),
    (b"\xff\xd8\xff", "image/jpeg"),
)


@dataclass(frozen=True)
class StoredImage:
    """One image in the blob store, not yet anybody's: its row makes it deliverable."""

    index: int
    attempt: int
    sha256: str
    size_bytes: int
    media_type: str
    width: int
    height: int
    blob: str
    receipt: dict[str, Any]
    verdicts: tuple[dict[str, Any], ...]


def store_image(
    *, organization_id: UUID, job_id: UUID, attempt: int, image: Released
) -> StoredImage:
    """Write one released image. Idempotent: the name carries job, attempt and index.

    Raises ReceiptInvalid when the receipt is not for exactly these bytes.
    """
    digest = sha256_hex(image.data)
    verify_receipt(
        data_sha256=digest, receipt=image.receipt, job_id=job_id, attempt=attempt, index=image.index
    )
    media_type = media_type_of(image.data)
    name = f"{organization_id}/{job_id}/{attempt}-{image.index}.{EXTENSIONS[media_type]}"
    if default_storage.exists(name):
        default_storage.delete(name)
    blob = default_storage.save(name, ContentFile(image.data))
    return StoredImage(
        index=image.index,
        attempt=attempt,
        sha256=digest,
        size_bytes=len(image.data),
        media_type=media_type,
        width=image.width,
        height=image.height,
        blob=blob,
        receipt=image.receipt,
        verdicts=image.verdicts,
    )


def read_image(artifact: Artifact) -> bytes:
    """The bytes of a stored image, checked again against row and receipt.

    Raises NotFound when the file is gone, ReceiptInvalid when it is not what was released.
    """
    try:
        with default_storage.open(artifact.blob, "rb") as stream:
            data: bytes = stream.read()
    except FileNotFoundError as error:
        raise NotFound("The image is no longer stored.") from error
    verify_receipt(
        data_sha256=sha256_hex(data),
        receipt=artifact.receipt,
        job_id=artifact.generation_id,
        attempt=artifact.attempt,
        index=artifact.index,
    )
    return data


def media_type_of(data: bytes) -> str:
    """The media type by the file's first bytes; the engine makes no other than these three."""
    for signature, media_type in SIGNATURES:
        if data.startswith(signature):
            return media_type
    raise AssertionError("the engine encoded an unknown format")
