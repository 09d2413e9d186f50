"""/v1/generations: the native surface. Submit, look, list, cancel."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.kernel.errors import InvalidRequest
from governance.operations.api_keys import Caller
from inference.api.images import generation_request, submitter_of
from inference.api.serializers import ImagesRequest
from inference.operations.addresses import image_address
from inference.operations.finishing import cancel_generation
from inference.operations.planning import GenerationRequest, plan_generation
from inference.operations.submission import submit_generation
from inference.queries.generations import (
    GenerationSummary,
    backlog_seconds,
    generation_of,
    generations_of,
    queue_position,
)
from inference.tasks import enqueue

PAGE = 20
LARGEST_PAGE = 100


class GenerationRequestBody(ImagesRequest):
    """Body of POST /v1/generations: as for images, with ``dry_run``."""

    dry_run = serializers.BooleanField(
        default=False, help_text="Only price and check; no job, no charge, no GPU."
    )


class GenerationBody(serializers.Serializer[Any]):
    """One generation. Times in UTC, money in µUSD."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="generation")
    status = serializers.CharField()
    model = serializers.CharField()
    prompt = serializers.CharField()
    size = serializers.CharField()
    steps = serializers.IntegerField()
    seed = serializers.IntegerField()
    n = serializers.IntegerField()
    step = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    quoted_microusd = serializers.IntegerField()
    charged_microusd = serializers.IntegerField()
    images = serializers.ListField(child=serializers.DictField())
    error = serializers.DictField(allow_null=True)
    queue_position = serializers.IntegerField(required=False)
    estimated_wait_s = serializers.FloatField(required=False, allow_null=True)


class GenerationList(serializers.Serializer[Any]):
    """A page of generations, newest first."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = GenerationBody(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


def generation_body(summary: GenerationSummary) -> dict[str, Any]:
    """The reply's JSON for one generation."""
    return {
        "id": str(summary.id),
        "object": "generation",
        "status": summary.state,
        "model": summary.model,
        "prompt": summary.prompt,
        "size": f"{summary.width}x{summary.height}",
        "steps": summary.steps,
        "seed": summary.seed,
        "n": summary.images,
        "step": summary.step,
        "created_at": summary.created_at,
        "started_at": summary.started_at,
        "finished_at": summary.finished_at,
        "quoted_microusd": summary.quoted_microusd,
        "charged_microusd": summary.charged_microusd,
        "images": [
            {
                "index": image.index,
                "url": image_address(image.id),
                "sha256": image.sha256,
                "size_bytes": image.size_bytes,
                "media_type": image.media_type,
                "seed": summary.seed + image.index,
            }
            for image in summary.artifacts
            if not image.deleted
        ],
        "error": (
            {"code": summary.error_code, "message": summary.error_detail}
            if summary.error_code
            else None
        ),
    }


def caller_of(request: Request) -> Caller:
    """The authenticated key."""
    caller: Caller = request.user  # type: ignore[assignment]
    return caller


class Generations(APIView):
    """The collection."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="create_generation",
        request=GenerationRequestBody,
        responses={202: GenerationBody},
        summary="Queue a generation",
    )
    def post(self, request: Request) -> Response:
        """202 with Location; ``dry_run`` answers 200 with the price and writes nothing."""
        form = GenerationRequestBody(data=request.data)
        form.is_valid(raise_exception=True)
        asked = generation_request({**form.validated_data}, dialect="native")
        caller = caller_of(request)
        if form.validated_data["dry_run"]:
            return Response(dry_run_body(asked, caller.organization_id))
        submission = submit_generation(
            request=asked,
            submitter=submitter_of(request),
            idempotency_key=request.headers.get("Idempotency-Key"),
            is_marked_retry=request.headers.get("x-stainless-retry-count", "0") not in {"", "0"},
            at=now(),
            enqueue=enqueue,
        )
        summary = generation_of(caller.organization_id, submission.generation_id).summary
        return Response(
            {**generation_body(summary), **waiting_facts(summary)},
            status=202,
            headers={"Location": f"/v1/generations/{summary.id}"},
        )

    @extend_schema(
        operation_id="list_generations",
        responses={200: GenerationList},
        summary="List generations, newest first",
    )
    def get(self, request: Request) -> Response:
        """A page; ``after`` continues it, ``limit`` up to 100, ``status`` filters."""
        page = generations_of(
            caller_of(request).organization_id,
            cursor=request.query_params.get("after"),
            limit=page_size(request.query_params.get("limit")),
            state=request.query_params.get("status"),
        )
        return Response(
            {
                "object": "list",
                "data": [generation_body(row) for row in page.rows],
                "has_more": page.next_cursor is not None,
                "next_cursor": page.next_cursor,
            }
        )


class GenerationDetailView(APIView):
    """One generation."""

    scope: ClassVar[str] = "images:read"

    @extend_schema(
        operation_id="get_generation",
        responses={200: GenerationBody},
        summary="Look at one generation",
    )
    def get(self, request: Request, generation_id: UUID) -> Response:
        """The generation; while it is open also its queue position and estimated wait."""
        summary = generation_of(caller_of(request).organization_id, generation_id).summary
        return Response({**generation_body(summary), **waiting_facts(summary)})


class GenerationCancel(APIView):
    """Cancelling one generation."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="cancel_generation",
        request=None,
        responses={200: GenerationBody},
        summary="Cancel a generation; it costs nothing",
    )
    def post(self, request: Request, generation_id: UUID) -> Response:
        """A queued one ends at once, a running one within one step."""
        caller = caller_of(request)
        generation_of(caller.organization_id, generation_id)
        cancel_generation(
            organization_id=caller.organization_id,
            generation_id=generation_id,
            actor=actor_of(request),
            at=now(),
        )
        summary = generation_of(caller.organization_id, generation_id).summary
        return Response(generation_body(summary))


def dry_run_body(asked: GenerationRequest, organization_id: UUID) -> dict[str, Any]:
    """What the request would cost and need."""
    plan = plan_generation(request=asked, organization_id=organization_id, at=now())
    return {
        "object": "generation.dry_run",
        "model": plan.authorization.release_slug,
        "size": f"{plan.size.width}x{plan.size.height}",
        "steps": plan.steps,
        "quote": plan.quote.as_json(),
        "quoted_microusd": plan.quote.amount,
    }


def waiting_facts(summary: GenerationSummary) -> dict[str, Any]:
    """Queue position and estimated wait of an open generation."""
    if summary.state != "queued":
        return {}
    return {
        "queue_position": queue_position(summary.id),
        "estimated_wait_s": backlog_seconds(at=now()),
    }


def page_size(text: str | None) -> int:
    """The page's size as asked for. Raises InvalidRequest."""
    if text is None:
        return PAGE
    if not text.isdigit() or not 1 <= int(text) <= LARGEST_PAGE:
        raise InvalidRequest(f"limit must be from 1 to {LARGEST_PAGE}.", param="limit")
    return int(text)
