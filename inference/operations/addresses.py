"""Signed, expiring addresses of images."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner

from governance.kernel.errors import DomainError

LIFETIME = timedelta(hours=1)
SALT = "licet.image-address"


class AddressInvalid(DomainError):
    """The address was altered or has expired."""

    code = "address_invalid"
    title = "This image address is not valid any more"
    status = 403


def image_address(artifact_id: UUID) -> str:
    """An address that shows this image to whoever holds it, for one hour."""
    token = TimestampSigner(salt=SALT).sign(artifact_id.hex)
    return f"{settings.PUBLIC_URL}/v1/images/content/{token}"


def artifact_behind(token: str) -> UUID:
    """The image that ``token`` opens. Raises AddressInvalid."""
    try:
        return UUID(TimestampSigner(salt=SALT).unsign(token, max_age=LIFETIME))
    except SignatureExpired as error:
        raise AddressInvalid(
            "This image address has expired. Fetch the generation again for a new one."
        ) from error
    except (BadSignature, ValueError) as error:
        raise AddressInvalid("This image address is not valid.") from error
