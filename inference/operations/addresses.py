"""Signed, expiring addresses of images."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, SignatureExpired, TimestampSigner

from governance.kernel.errors import DomainError
from inference.models import Artifact

LIFETIME = timedelta(hours=1)
SALT = "licet.image-address"
HEX = 32


class AddressInvalid(DomainError):
    """The address was altered or has expired."""

    code = "address_invalid"
    title = "This image address is not valid any more"
    status = 403


def image_address(artifact_id: UUID, organization_id: UUID) -> str:
    """An address that shows this image to whoever holds it, for one hour, while its tenant has it."""
    token = TimestampSigner(salt=SALT).sign(artifact_id.hex + organization_id.hex)
    return f"{settings.PUBLIC_URL}/v1/images/content/{token}"


def artifact_behind(token: str) -> tuple[UUID, UUID]:
    """The image that ``token`` opens and the organization it was given to. Raises AddressInvalid."""
    try:
        return signed_in(token, LIFETIME)
    except SignatureExpired as error:
        raise AddressInvalid(
            "This image address has expired. Fetch the generation again for a new one."
        ) from error
    except (BadSignature, ValueError) as error:
        raise AddressInvalid("This image address is not valid.") from error


def signed_in(token: str, lifetime: timedelta | None) -> tuple[UUID, UUID]:
    """Image and organization of a token, of any age without ``lifetime``. Raises BadSignature, ValueError."""
    value = TimestampSigner(salt=SALT).unsign(token, max_age=lifetime)
    return UUID(value[:HEX]), UUID(value[HEX:])


def image_of_address(address: str) -> tuple[UUID, int] | None:
    """Generation and place of the image that one of our addresses names, however old; None if none.

    For reports: it opens nothing, so the address may have expired.
    """
    token = address.rpartition("/v1/images/content/")[2].partition("?")[0].strip("/ ")
    try:
        artifact_id, organization_id = signed_in(token, None)
    except (BadSignature, ValueError):
        return None
    found = Artifact.objects.filter(id=artifact_id, organization_id=organization_id)
    return found.values_list("generation_id", "index").first()
