"""/v1/organization/image_retention: for how many days the organization's images are kept."""

from typing import Any, ClassVar

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.api.permissions import ScopeByMethod
from inference.api.admission import caller_of
from inference.operations.deleting import LONGEST_DAYS, image_retention, set_image_retention


class RetentionBody(serializers.Serializer[Any]):
    """``days`` from 1 to 3650; null keeps images until they are deleted."""

    object = serializers.CharField(default="organization.image_retention", read_only=True)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, allow_null=True)


class ImageRetentionView(ScopeByMethod, APIView):
    """The organization's own limit."""

    read_scope: ClassVar[str] = "organization:read"
    write_scope: ClassVar[str] = "organization:write"

    @extend_schema(
        operation_id="get_image_retention",
        responses={200: RetentionBody},
        summary="How long images are kept",
    )
    def get(self, request: Request) -> Response:
        """The limit in force."""
        return self.shown(request)

    @extend_schema(
        operation_id="set_image_retention",
        request=RetentionBody,
        responses={200: RetentionBody},
        summary="Set how long images are kept",
    )
    def put(self, request: Request) -> Response:
        """Older images are erased within the hour; rows, hashes and receipts stay as evidence."""
        form = RetentionBody(data=request.data)
        form.is_valid(raise_exception=True)
        set_image_retention(
            organization_id=caller_of(request).organization_id,
            days=form.validated_data["days"],
            actor=actor_of(request),
            at=now(),
        )
        return self.shown(request)

    def shown(self, request: Request) -> Response:
        """The setting's JSON."""
        days = image_retention(caller_of(request).organization_id)
        return Response({"object": "organization.image_retention", "days": days})
