"""/v1/models and /v1/balance: what a key may use and what it may spend."""

from typing import Any
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.queries.balances import balance_of
from governance.models import ModelRelease
from governance.operations.authorization import ReleaseNotFound
from governance.queries.releases import active_releases
from inference.api.admission import caller_of
from inference.queries.engines import is_served


class ModelBody(serializers.Serializer[Any]):
    """A release, in OpenAI's shape."""

    id = serializers.CharField()
    object = serializers.CharField(default="model")
    created = serializers.IntegerField()
    owned_by = serializers.CharField()
    variant = serializers.ChoiceField(["turbo", "raw"])
    served = serializers.BooleanField(help_text="Whether an engine here has loaded it.")


class ModelList(serializers.Serializer[Any]):
    """All releases that may be used."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = ModelBody(many=True)  # type: ignore[assignment]


class BalanceBody(serializers.Serializer[Any]):
    """Prepaid balance in µUSD: posted minus held is available."""

    object = serializers.CharField(default="balance")
    currency = serializers.CharField(default="usd")
    posted_microusd = serializers.IntegerField()
    held_microusd = serializers.IntegerField()
    available_microusd = serializers.IntegerField()
    at = serializers.DateTimeField()


class Models(APIView):
    """GET /v1/models."""

    @extend_schema(operation_id="list_models", responses={200: ModelList}, summary="List models")
    def get(self, request: Request) -> Response:
        """The active releases; their ids go into ``model``."""
        releases = usable_releases(caller_of(request).organization_id)
        return Response({"object": "list", "data": [model_body(each) for each in releases]})


class ModelView(APIView):
    """GET /v1/models/{model}."""

    @extend_schema(operation_id="get_model", responses={200: ModelBody}, summary="Look at a model")
    def get(self, request: Request, model: str) -> Response:
        """One active release."""
        for release in usable_releases(caller_of(request).organization_id):
            if release.slug == model:
                return Response(model_body(release))
        raise ReleaseNotFound(f"There is no model {model!r} here.", param="model")


def usable_releases(organization_id: UUID) -> list[ModelRelease]:
    """Active base releases that this organization may name."""
    return [
        each
        for each in active_releases()
        if each.kind == "base" and each.organization_id in (None, organization_id)
    ]


def model_body(release: ModelRelease) -> dict[str, Any]:
    """A release in OpenAI's words."""
    return {
        "id": release.slug,
        "object": "model",
        "created": int(release.created_at.timestamp()),
        "owned_by": "licet",
        "variant": release.variant,
        "served": is_served(release.slug, at=now()),
    }


class BalanceView(APIView):
    """GET /v1/balance."""

    @extend_schema(operation_id="get_balance", responses={200: BalanceBody}, summary="Balance")
    def get(self, request: Request) -> Response:
        """The organization's balance and what open generations hold of it."""
        balance = balance_of(caller_of(request).organization_id)
        return Response(
            {
                "object": "balance",
                "currency": "usd",
                "posted_microusd": balance.posted,
                "held_microusd": balance.held,
                "available_microusd": balance.available,
                "at": now(),
            }
        )
