"""/v1/style_references: pictures whose style an organization's images take on."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils.timezone import now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.api.permissions import ScopeByMethod
from inference.api.admission import caller_of
from inference.api.pictures import PICTURE_PARSERS, sent_picture
from inference.models import StyleReference
from inference.operations.reference_files import read_reference
from inference.operations.references import LONGEST_NAME, delete_reference, upload_reference
from inference.queries.references import reference_of, references_of


class ReferenceUpload(serializers.Serializer[Any]):
    """Body of POST /v1/style_references as multipart: a PNG, JPEG or WebP of at most 20 MiB."""

    image = serializers.FileField()
    name = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_NAME)


class ReferenceJSON(serializers.Serializer[Any]):
    """The same as JSON, up to 2 MiB in all."""

    image = serializers.CharField(help_text="base64, or a data URL.")
    name = serializers.CharField(required=False, allow_blank=True, max_length=LONGEST_NAME)


class ReferenceName(serializers.Serializer[Any]):
    """What goes with the picture, however it comes."""

    name = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=LONGEST_NAME
    )


class ReferenceBody(serializers.Serializer[Any]):
    """One style reference. Sizes in px, of what is kept."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="style_reference")
    name = serializers.CharField()
    sha256 = serializers.CharField()
    uploaded_sha256 = serializers.CharField()
    size_bytes = serializers.IntegerField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class ReferenceList(serializers.Serializer[Any]):
    """All style references of the organization, newest first."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = ReferenceBody(many=True)  # type: ignore[assignment]


def reference_body(reference: StyleReference) -> dict[str, Any]:
    """The reply's JSON for one reference."""
    return {
        "id": str(reference.id),
        "object": "style_reference",
        "name": reference.name,
        "sha256": reference.sha256,
        "uploaded_sha256": reference.uploaded_sha256,
        "size_bytes": reference.size_bytes,
        "width": reference.width,
        "height": reference.height,
        "created_at": reference.created_at,
    }


class StyleReferences(ScopeByMethod, APIView):
    """The collection."""

    read_scope: ClassVar[str] = "images:read"
    write_scope: ClassVar[str] = "images:write"
    parser_classes = PICTURE_PARSERS

    @extend_schema(
        operation_id="create_style_reference",
        request={
            "multipart/form-data": ReferenceUpload,
            "application/json": ReferenceJSON,
            "image/png": OpenApiTypes.BINARY,
        },
        responses={201: ReferenceBody},
        summary="Upload a style reference",
    )
    def post(self, request: Request) -> Response:
        """201 with the reference; 400 where the file or the content filter says no.

        Sent a second time, the same file is answered with the first's reference.
        """
        form = ReferenceName(data=request.data)
        form.is_valid(raise_exception=True)
        reference = upload_reference(
            data=sent_picture(request),
            name=form.validated_data["name"],
            organization_id=caller_of(request).organization_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(
            reference_body(reference),
            status=201,
            headers={"Location": f"/v1/style_references/{reference.id}"},
        )

    @extend_schema(
        operation_id="list_style_references",
        responses={200: ReferenceList},
        summary="List style references",
    )
    def get(self, request: Request) -> Response:
        """The organization's own; nobody else's are ever in here."""
        found = references_of(caller_of(request).organization_id)
        return Response({"object": "list", "data": [reference_body(each) for each in found]})


class StyleReferenceDetail(ScopeByMethod, APIView):
    """One reference."""

    read_scope: ClassVar[str] = "images:read"
    write_scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="get_style_reference",
        responses={200: ReferenceBody},
        summary="Look at one style reference",
    )
    def get(self, request: Request, reference_id: UUID) -> Response:
        """The reference, if it is the organization's."""
        found = reference_of(caller_of(request).organization_id, reference_id)
        return Response(reference_body(found))

    @extend_schema(
        operation_id="delete_style_reference",
        responses={204: None},
        summary="Delete one style reference for good",
    )
    def delete(self, request: Request, reference_id: UUID) -> Response:
        """Its file goes; jobs that still wait with it end free of charge."""
        delete_reference(
            organization_id=caller_of(request).organization_id,
            reference_id=reference_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(status=204)


class StyleReferenceContent(APIView):
    """The kept picture."""

    scope: ClassVar[str] = "images:read"

    @extend_schema(
        operation_id="get_style_reference_content",
        responses={(200, "image/png"): OpenApiTypes.BINARY},
        summary="The picture of a style reference",
    )
    def get(self, request: Request, reference_id: UUID) -> HttpResponse:
        """The normal form, checked against its hash."""
        reference = reference_of(caller_of(request).organization_id, reference_id)
        return HttpResponse(
            read_reference(reference),
            content_type="image/png",
            headers={"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"},
        )
