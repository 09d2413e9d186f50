"""Handing out samples: only bytes whose receipt verifies, as for images."""

from django.core.files.storage import default_storage

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import NotFound
from inference.models import TrainingSample
from moderation.operations.release import verify_receipt


def read_sample(sample: TrainingSample) -> bytes:
    """A released sample's bytes, checked again. Raises NotFound and ReceiptInvalid."""
    try:
        with default_storage.open(sample.blob, "rb") as stream:
            data = bytes(stream.read())
    except FileNotFoundError as error:
        raise NotFound("The sample is no longer stored.") from error
    verify_receipt(
        data_sha256=sha256_hex(data),
        receipt=sample.receipt,
        job_id=sample.job_id,
        attempt=sample.attempt,
        index=sample.step,
    )
    return data
