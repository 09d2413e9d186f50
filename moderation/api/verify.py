"""POST /v1/verify: was this picture made here? With a key or without one; nothing is stored."""

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import client_ip
from governance.kernel.errors import InvalidRequest
from governance.operations.api_keys import Caller
from moderation.operations.intake import MOST_BYTES
from moderation.operations.verification import Verification, verify_image
from moderation.operations.visitor_rates import count_verification


class PictureParser(BaseParser):
    """A picture as the whole body: ``curl --data-binary @picture.png -H 'Content-Type: image/png'``."""

    media_type = "image/*"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:  # noqa: ARG002
        """The body under the name ``image``, read one byte further than is taken."""
        return {"image": stream.read(MOST_BYTES + 1)}


class VerifyRequest(serializers.Serializer[Any]):
    """A PNG, JPEG or WebP file of at most 20 MiB."""

    image = serializers.FileField()


class CredentialsReply(serializers.Serializer[Any]):
    """The file's content credentials: none, trusted, valid, invalid or unreadable; by us or not."""

    state = serializers.CharField()
    ours = serializers.BooleanField()
    issuer = serializers.CharField()
    manifest = serializers.CharField()
    failures = serializers.ListField(child=serializers.CharField())
    claims = serializers.DictField(allow_null=True)


class VerifyReply(serializers.Serializer[Any]):
    """Where a picture comes from. ``generation`` is told to its own organization's keys only."""

    object = serializers.CharField()
    verdict = serializers.ChoiceField(["unaltered", "modified", "unknown"])
    found_by = serializers.ListField(
        child=serializers.ChoiceField(["bytes", "credentials", "watermark", "look"])
    )
    sha256 = serializers.CharField()
    credentials = CredentialsReply()
    watermark = serializers.ChoiceField(["none", "ours", "foreign"])
    look_distance = serializers.IntegerField(allow_null=True)
    generation = serializers.UUIDField(allow_null=True)
    index = serializers.IntegerField(allow_null=True)
    released_at = serializers.DateTimeField(allow_null=True)


class Verify(APIView):
    """``POST /v1/verify``: the picture as multipart field ``image`` or as the body itself."""

    permission_classes = [AllowAny]
    parser_classes = [MultiPartParser, PictureParser]

    @extend_schema(
        operation_id="verify_image",
        request={"multipart/form-data": VerifyRequest, "image/png": OpenApiTypes.BINARY},
        responses=VerifyReply,
        summary="Was this picture made here, and is it unaltered?",
    )
    def post(self, request: Request) -> Response:
        """Counted per address without a key. Raises MediaUnusable with a reason, VerifierBusy."""
        caller: object = request.user
        known = isinstance(caller, Caller)
        if not known:
            count_verification(client_ip(request))
        organizations = [caller.organization_id] if isinstance(caller, Caller) else []
        found = verify_image(data=sent_picture(request), organizations=organizations)
        return Response(reply(found))


def sent_picture(request: Request) -> bytes:
    """The picture's bytes, at most one more than is taken. Raises InvalidRequest."""
    sent: Any = request.data.get("image") if isinstance(request.data, dict) else None
    if isinstance(sent, bytes) and sent:
        return sent
    if isinstance(sent, UploadedFile):
        data: bytes = sent.read(MOST_BYTES + 1)
        return data
    raise InvalidRequest(
        "Send one picture as the multipart field image, or as the body with its media type.",
        param="image",
    )


def reply(found: Verification) -> dict[str, Any]:
    """The answer as JSON. Claims are told only of credentials that hold."""
    held = found.credentials
    return {
        "object": "verification",
        "verdict": str(found.verdict),
        "found_by": list(found.found_by),
        "sha256": found.sha256,
        "credentials": {
            "state": held.state,
            "ours": held.ours,
            "issuer": held.issuer,
            "manifest": held.manifest,
            "failures": list(held.failures),
            "claims": held.facts if held.state == "trusted" else None,
        },
        "watermark": found.watermark,
        "look_distance": found.distance,
        "generation": str(found.known.generation) if found.known else None,
        "index": found.known.index if found.known else None,
        "released_at": found.known.released_at if found.known else None,
    }
