"""/v1/moodboards: several style references with weights under one name."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.api.fields import Text
from governance.api.permissions import ScopeByMethod
from inference.api.admission import caller_of
from inference.models import Moodboard
from inference.operations.moodboards import StyleChoice, create_moodboard, delete_moodboard
from inference.queries.references import moodboard_of, moodboards_of


class MoodboardEntry(serializers.Serializer[Any]):
    """A reference on a moodboard and its weight beside the others."""

    id = serializers.UUIDField()
    weight = serializers.FloatField(default=1.0, min_value=0.001, max_value=1.0)


class MoodboardRequest(serializers.Serializer[Any]):
    """Body of POST /v1/moodboards."""

    name = Text(max_length=100)
    references = MoodboardEntry(many=True, help_text="Up to ten, each once.")


class MoodboardBody(serializers.Serializer[Any]):
    """One moodboard."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="moodboard")
    name = serializers.CharField()
    references = MoodboardEntry(many=True)
    created_at = serializers.DateTimeField()


class MoodboardList(serializers.Serializer[Any]):
    """All moodboards of the organization, newest first."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = MoodboardBody(many=True)  # type: ignore[assignment]


def moodboard_body(board: Moodboard) -> dict[str, Any]:
    """The reply's JSON for one moodboard."""
    return {
        "id": str(board.id),
        "object": "moodboard",
        "name": board.name,
        "references": board.entries,
        "created_at": board.created_at,
    }


class Moodboards(ScopeByMethod, APIView):
    """The collection."""

    read_scope: ClassVar[str] = "images:read"
    write_scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="create_moodboard",
        request=MoodboardRequest,
        responses={201: MoodboardBody},
        summary="Put style references on a moodboard",
    )
    def post(self, request: Request) -> Response:
        """201 with the moodboard."""
        form = MoodboardRequest(data=request.data)
        form.is_valid(raise_exception=True)
        body = form.validated_data
        board = create_moodboard(
            organization_id=caller_of(request).organization_id,
            name=body["name"],
            entries=[StyleChoice(each["id"], each["weight"]) for each in body["references"]],
            actor=actor_of(request),
            at=now(),
        )
        location = {"Location": f"/v1/moodboards/{board.id}"}
        return Response(moodboard_body(board), status=201, headers=location)

    @extend_schema(
        operation_id="list_moodboards", responses={200: MoodboardList}, summary="List moodboards"
    )
    def get(self, request: Request) -> Response:
        """The organization's own."""
        found = moodboards_of(caller_of(request).organization_id)
        return Response({"object": "list", "data": [moodboard_body(each) for each in found]})


class MoodboardDetail(ScopeByMethod, APIView):
    """One moodboard."""

    read_scope: ClassVar[str] = "images:read"
    write_scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="get_moodboard", responses={200: MoodboardBody}, summary="Look at a moodboard"
    )
    def get(self, request: Request, moodboard_id: UUID) -> Response:
        """The moodboard, if it is the organization's."""
        return Response(
            moodboard_body(moodboard_of(caller_of(request).organization_id, moodboard_id))
        )

    @extend_schema(
        operation_id="delete_moodboard", responses={204: None}, summary="Delete a moodboard"
    )
    def delete(self, request: Request, moodboard_id: UUID) -> Response:
        """Its references stay."""
        delete_moodboard(
            organization_id=caller_of(request).organization_id,
            moodboard_id=moodboard_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(status=204)
