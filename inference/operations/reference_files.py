"""Reading what is kept of a style reference."""

from django.core.files.storage import default_storage

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import NotFound
from inference.models import StyleReference


def read_reference(reference: StyleReference) -> bytes:
    """The stored PNG, checked against the row. Raises NotFound when it is gone or another one."""
    try:
        with default_storage.open(reference.blob, "rb") as stream:
            data = bytes(stream.read())
    except FileNotFoundError as error:
        raise NotFound("The picture is no longer stored.") from error
    if sha256_hex(data) != reference.sha256:
        raise NotFound("The stored picture is not the one that was taken in.")
    return data
