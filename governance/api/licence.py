"""``GET /v1/organization/licence``: how the key's organization stands, with every reason."""

from django.utils.timezone import now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.operations.api_keys import Caller
from governance.queries.standing import standing_of
from governance.queries.standing_json import standing_to_json


class LicenceView(APIView):
    """The standing, decided from the facts at this moment."""

    scope = "organization:read"

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Status, whether generation is open, grace, seats, terms and reasons."""
        caller = request.auth
        assert isinstance(caller, Caller), "the permission class lets only keys in"
        standing = standing_of(caller.organization_id, at=now())
        return Response({"object": "organization.licence", **standing_to_json(standing)})
