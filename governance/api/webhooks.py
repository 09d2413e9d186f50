"""``/v1/webhooks``: endpoints, their secrets, their delivery log."""

from typing import Any
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of, caller_of
from governance.api.fields import Text
from governance.api.paging import page_size
from governance.api.permissions import READ, WRITE, ScopeByMethod
from governance.models import WebhookDelivery, WebhookEndpoint
from governance.operations.webhook_endpoints import (
    change_webhook_endpoint,
    create_webhook_endpoint,
    remove_webhook_endpoint,
    replay_delivery,
    send_test_event,
)
from governance.operations.webhook_secrets import rotate_webhook_secret
from governance.queries.webhooks import deliveries_of, endpoint_of, endpoints_of

LIMIT = OpenApiParameter("limit", int, description="Rows a page, 1 to 100; 20 by default.")
AFTER = OpenApiParameter("after", str, description="next_cursor of the page before.")


class EndpointChange(serializers.Serializer[Any]):
    """What may be changed of an endpoint."""

    url = serializers.CharField(required=False, max_length=2000, help_text="Public, https.")
    events = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        max_length=100,
        help_text="Event types; empty: all.",
    )
    description = serializers.CharField(required=False, allow_blank=True, max_length=200)
    enabled = serializers.BooleanField(required=False)


class EndpointRequest(EndpointChange):
    """A new endpoint."""

    url = Text(max_length=2000, help_text="Public, https.")
    # Taken out of what may be sent: a new endpoint is on.
    enabled = None  # type: ignore[assignment]


class EndpointBody(serializers.Serializer[Any]):
    """An endpoint; ``secret`` only in the reply that makes it."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="webhook_endpoint")
    url = serializers.CharField()
    description = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    enabled = serializers.BooleanField()
    disabled_reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    failing_since = serializers.DateTimeField(allow_null=True)
    secret = serializers.CharField(required=False)


class EndpointList(serializers.Serializer[Any]):
    """All endpoints; there are at most twenty."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = EndpointBody(many=True)  # type: ignore[assignment]


class SecretBody(serializers.Serializer[Any]):
    """A new signing secret; the old ones sign beside it for a day."""

    secret = serializers.CharField()


class AttemptBody(serializers.Serializer[Any]):
    """One try: what the receiver said, or why nothing was said."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    duration_ms = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField()
    response = serializers.CharField()


class DeliveryBody(serializers.Serializer[Any]):
    """One event on its way to one address."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="webhook_delivery")
    webhook_id = serializers.CharField()
    type = serializers.CharField()
    url = serializers.CharField()
    status = serializers.CharField()
    is_replay = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    attempts = AttemptBody(many=True)


class DeliveryList(serializers.Serializer[Any]):
    """A page of the log, newest first."""

    object = serializers.CharField(default="list")
    # As above.
    data = DeliveryBody(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


def endpoint_body(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """The JSON of one endpoint."""
    return {
        "id": str(endpoint.id),
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.events,
        "enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.disabled_reason,
        "created_at": endpoint.created_at,
        "failing_since": endpoint.failing_since,
    }


def delivery_body(delivery: WebhookDelivery) -> dict[str, Any]:
    """The JSON of one delivery with its attempts."""
    return {
        "id": str(delivery.id),
        "object": "webhook_delivery",
        "webhook_id": f"msg_{delivery.event_id.hex}",
        "type": delivery.event.type,
        "url": delivery.url,
        "status": delivery.state,
        "is_replay": delivery.is_replay,
        "created_at": delivery.event.created_at,
        "next_attempt_at": delivery.next_attempt_at,
        "attempts": [
            {
                "number": attempt.number,
                "at": attempt.at,
                "duration_ms": attempt.duration_ms,
                "status": attempt.status,
                "error": attempt.error,
                "response": attempt.response,
            }
            for attempt in delivery.tries.all()
        ],
    }


class Webhooks(ScopeByMethod, APIView):
    """The collection."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="list_webhooks", summary="List webhooks", responses={200: EndpointList}
    )
    def get(self, request: Request) -> Response:
        """Every endpoint of the organization."""
        rows = endpoints_of(caller_of(request).organization_id)
        return Response({"object": "list", "data": [endpoint_body(row) for row in rows]})

    @extend_schema(
        operation_id="create_webhook",
        summary="Register a webhook",
        request=EndpointRequest,
        responses={201: EndpointBody},
    )
    def post(self, request: Request) -> Response:
        """201 with the signing secret (Standard Webhooks), which is shown this once."""
        form = EndpointRequest(data=request.data)
        form.is_valid(raise_exception=True)
        made = create_webhook_endpoint(
            organization_id=caller_of(request).organization_id,
            url=form.validated_data["url"],
            events=form.validated_data.get("events", []),
            description=form.validated_data.get("description", ""),
            actor=actor_of(request),
            at=now(),
        )
        body = {**endpoint_body(made.endpoint), "secret": made.secret}
        return Response(body, status=201, headers={"Location": f"/v1/webhooks/{made.endpoint.id}"})


class Webhook(ScopeByMethod, APIView):
    """One endpoint."""

    read_scope, write_scope = READ, WRITE

    @extend_schema(
        operation_id="get_webhook", summary="Look at a webhook", responses={200: EndpointBody}
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """The endpoint, without its secret."""
        return Response(endpoint_body(endpoint_of(caller_of(request).organization_id, endpoint_id)))

    @extend_schema(
        operation_id="change_webhook",
        summary="Change a webhook",
        request=EndpointChange,
        responses={200: EndpointBody},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Change what is sent; ``enabled`` false drops what waits."""
        form = EndpointChange(data=request.data)
        form.is_valid(raise_exception=True)
        changed = change_webhook_endpoint(
            endpoint_id=endpoint_id,
            organization_id=caller_of(request).organization_id,
            actor=actor_of(request),
            at=now(),
            **form.validated_data,
        )
        return Response(endpoint_body(changed))

    @extend_schema(operation_id="delete_webhook", summary="Remove a webhook", responses={204: None})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Remove the endpoint with its log."""
        remove_webhook_endpoint(
            endpoint_id=endpoint_id,
            organization_id=caller_of(request).organization_id,
            actor=actor_of(request),
        )
        return Response(status=204)


class WebhookSecretRotation(APIView):
    """A new secret."""

    scope = WRITE

    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Rotate a webhook's secret",
        request=None,
        responses={200: SecretBody},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """The new secret, shown this once; for a day both sign."""
        organization_id = caller_of(request).organization_id
        endpoint_of(organization_id, endpoint_id)
        secret = rotate_webhook_secret(
            endpoint_id=endpoint_id,
            organization_id=organization_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response({"secret": secret})


class WebhookTest(APIView):
    """A test event."""

    scope = WRITE

    @extend_schema(
        operation_id="test_webhook",
        summary="Send a test event",
        request=None,
        responses={202: DeliveryBody},
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """``webhook.test`` to this endpoint only."""
        delivery = send_test_event(
            endpoint_id=endpoint_id,
            organization_id=caller_of(request).organization_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(delivery_body(delivery), status=202)


class WebhookDeliveries(APIView):
    """The log."""

    scope = READ

    @extend_schema(
        operation_id="list_webhook_deliveries",
        summary="The delivery log, newest first",
        parameters=[LIMIT, AFTER],
        responses={200: DeliveryList},
    )
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Every delivery of the last 30 days with its attempts."""
        endpoint = endpoint_of(caller_of(request).organization_id, endpoint_id)
        page = deliveries_of(
            endpoint.id,
            cursor=request.query_params.get("after"),
            limit=page_size(request.query_params.get("limit")),
        )
        return Response(
            {
                "object": "list",
                "data": [delivery_body(row) for row in page.rows],
                "has_more": page.next_cursor is not None,
                "next_cursor": page.next_cursor,
            }
        )


class WebhookReplay(APIView):
    """A delivery once more."""

    scope = WRITE

    @extend_schema(
        operation_id="replay_webhook_delivery",
        summary="Send an event once more",
        request=None,
        responses={202: DeliveryBody},
    )
    def post(self, request: Request, delivery_id: UUID) -> Response:
        """The same event with the same webhook-id, in a delivery of its own."""
        again = replay_delivery(
            delivery_id=delivery_id,
            organization_id=caller_of(request).organization_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(delivery_body(again), status=202)
