"""/v1/adapters: an organization's own LoRA adapters. Upload, look, list, delete."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.queries.releases import default_release_slug
from inference.api.admission import caller_of
from inference.models import Adapter
from inference.operations.adapters import delete_adapter, upload_adapter
from inference.queries.adapters import adapter_of, visible_adapters

SILENT = (
    "This adapter changes nothing: its matrices multiply to zero. Was it trained or saved wrongly?"
)


class AdapterUpload(serializers.Serializer[Any]):
    """Body of POST /v1/adapters, as multipart form."""

    file = serializers.FileField(help_text="A .safetensors file: PEFT, diffusers or kohya keys.")
    name = serializers.CharField(max_length=100)
    base = serializers.CharField(
        required=False, help_text="The model it was trained on; by default the deployment's own."
    )
    trigger = serializers.CharField(required=False, max_length=100, help_text="Its trigger word.")
    shared_with_group = serializers.BooleanField(
        default=False, help_text="Let the organizations under common control use it."
    )


class AdapterBody(serializers.Serializer[Any]):
    """One adapter. ``norm`` is the largest change of a module (Frobenius)."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="adapter")
    name = serializers.CharField()
    trigger = serializers.CharField()
    base = serializers.CharField()
    status = serializers.CharField()
    notice = serializers.CharField()
    # Field has an attribute of this name; for a schema the field is what counts.
    source = serializers.CharField()  # type: ignore[assignment]
    rank = serializers.IntegerField()
    modules = serializers.IntegerField()
    norm = serializers.FloatField()
    changes_nothing = serializers.BooleanField()
    warning = serializers.CharField(allow_null=True)
    sha256 = serializers.CharField()
    size_bytes = serializers.IntegerField()
    shared_with_group = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class AdapterList(serializers.Serializer[Any]):
    """All adapters that the organization may use, newest first."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = AdapterBody(many=True)  # type: ignore[assignment]


def adapter_body(adapter: Adapter) -> dict[str, Any]:
    """The reply's JSON for one adapter."""
    parent = adapter.release.parent
    return {
        "id": str(adapter.id),
        "object": "adapter",
        "name": adapter.name,
        "trigger": adapter.trigger,
        "base": parent.slug if parent else "",
        "status": adapter.release.status,
        "notice": adapter.release.notice,
        "source": adapter.source,
        "rank": adapter.rank,
        "modules": adapter.modules,
        "norm": adapter.norm,
        "changes_nothing": adapter.changes_nothing,
        "warning": SILENT if adapter.changes_nothing else None,
        "sha256": adapter.sha256,
        "size_bytes": adapter.size_bytes,
        "shared_with_group": adapter.shared_with_group,
        "created_at": adapter.created_at,
    }


class Adapters(APIView):
    """The collection."""

    scope: ClassVar[str] = "images:write"
    parser_classes = [MultiPartParser, FormParser]

    @extend_schema(
        operation_id="create_adapter",
        request={"multipart/form-data": AdapterUpload},
        responses={201: AdapterBody},
        summary="Upload a LoRA adapter",
    )
    def post(self, request: Request) -> Response:
        """201 with the adapter; 422 says which key or module is wrong."""
        form = AdapterUpload(data=request.data)
        form.is_valid(raise_exception=True)
        body = form.validated_data
        adapter = upload_adapter(
            data=body["file"].read(),
            name=body["name"],
            base_slug=body.get("base") or default_release_slug(),
            organization_id=caller_of(request).organization_id,
            actor=actor_of(request),
            at=now(),
            trigger=body.get("trigger", ""),
            shared_with_group=body["shared_with_group"],
        )
        return Response(
            adapter_body(adapter),
            status=201,
            headers={"Location": f"/v1/adapters/{adapter.id}"},
        )

    @extend_schema(
        operation_id="list_adapters", responses={200: AdapterList}, summary="List adapters"
    )
    def get(self, request: Request) -> Response:
        """The organization's own and those its control group shares."""
        adapters = visible_adapters(caller_of(request).organization_id)
        return Response({"object": "list", "data": [adapter_body(each) for each in adapters]})


class AdapterDetail(APIView):
    """One adapter."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="get_adapter", responses={200: AdapterBody}, summary="Look at one adapter"
    )
    def get(self, request: Request, adapter_id: UUID) -> Response:
        """The adapter, if the organization may use it."""
        return Response(adapter_body(adapter_of(caller_of(request).organization_id, adapter_id)))

    @extend_schema(
        operation_id="delete_adapter", responses={204: None}, summary="Delete one adapter"
    )
    def delete(self, request: Request, adapter_id: UUID) -> Response:
        """Out of use at once; its registry entry and audit trail stay."""
        delete_adapter(
            organization_id=caller_of(request).organization_id,
            adapter_id=adapter_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(status=204)
