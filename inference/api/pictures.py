"""A picture in a request: multipart, the body itself, or base64 in JSON."""

import base64
import binascii
import re
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request

from governance.api.parsers import BoundedJSONParser
from governance.kernel.errors import InvalidRequest
from moderation.operations.intake import MOST_BYTES

DATA_URL = re.compile(r"data:image/[a-z]{3,5};base64,", re.IGNORECASE)
LARGEST_JSON = 2 * 1024 * 1024


class PictureBody(BaseParser):
    """The picture as the whole body, with its media type."""

    media_type = "image/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:  # noqa: ARG002
        """The body under the name ``image``, read one byte further than is taken."""
        return {"image": stream.read(MOST_BYTES + 1)}


class PictureJSONParser(BoundedJSONParser):
    """JSON with room for a small picture in base64; larger ones come as multipart."""

    max_bytes = LARGEST_JSON


PICTURE_PARSERS = [MultiPartParser, PictureJSONParser, PictureBody]


def sent_picture(request: Request, name: str = "image") -> bytes:
    """The picture's bytes, at most one more than is taken. Raises InvalidRequest."""
    sent: Any = request.data.get(name) if hasattr(request.data, "get") else None
    if isinstance(sent, bytes) and sent:
        return sent
    if isinstance(sent, UploadedFile):
        data: bytes = sent.read(MOST_BYTES + 1)
        return data
    if isinstance(sent, str) and sent:
        return picture_in(sent, name)
    raise InvalidRequest(
        f"Send one picture as the multipart field {name}, as base64 or a data URL in the JSON field "
        f"{name}, or as the body with its media type.",
        param=name,
    )


def picture_in(text: str, param: str) -> bytes:
    """The bytes behind base64 or a data URL. Raises InvalidRequest."""
    try:
        return base64.b64decode(DATA_URL.sub("", text, count=1), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(
            f"{param} is neither base64 nor a data URL of a picture (data:image/png;base64,…). "
            "Pictures at other addresses are not fetched; send the picture itself.",
            param=param,
        ) from error
