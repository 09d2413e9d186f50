"""/v1/generations: the native surface. Submit, look, list, cancel."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.api.permissions import ScopeByMethod
from governance.kernel.errors import InvalidRequest
from inference.api.admission import (
    Pending,
    admit,
    caller_of,
    pending_response,
    preferred_wait,
    submitter_of,
)
from inference.api.dry_run import dry_run_body
from inference.api.serializers import ImagesRequest, generation_request
from inference.models import OPEN_STATES, Generation, State
from inference.operations.addresses import image_address
from inference.operations.finishing import cancel_generation
from inference.queries.backlog import queue_lately, waiting_facts
from inference.queries.generations import (
    GenerationDetail,
    GenerationSummary,
    generation_of,
    generations_of,
    summary_of_new,
)

PAGE = 20
LARGEST_PAGE = 100
PREFER = OpenApiParameter(
    "Prefer", str, OpenApiParameter.HEADER, description="`wait=N`: up to N seconds, at most 300."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="For 24 hours the same key and request give the same generation.",
)
WEBHOOK_URL = OpenApiParameter(
    "X-Webhook-URL",
    str,
    OpenApiParameter.HEADER,
    description="Where this generation's end is told.",
)
AFTER = OpenApiParameter("after", str, description="`next_cursor` of the page before.")
LIMIT = OpenApiParameter("limit", int, description="1 to 100, by default 20.")
STATUS = OpenApiParameter("status", str, enum=State.values)


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
    revised_prompt = serializers.CharField(allow_null=True)
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
    style_references = serializers.ListField(child=serializers.DictField())
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


def generation_body(summary: GenerationSummary, organization_id: UUID) -> dict[str, Any]:
    """The reply's JSON for one generation."""
    return {
        "id": str(summary.id),
        "object": "generation",
        "status": summary.state,
        "model": summary.model,
        "prompt": summary.prompt,
        "revised_prompt": summary.revised_prompt or None,
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
                "url": image_address(image.id, organization_id),
                "sha256": image.sha256,
                "size_bytes": image.size_bytes,
                "media_type": image.media_type,
                "seed": summary.seed + image.index,
            }
            for image in summary.artifacts
            if not image.deleted
        ],
        "style_references": list(summary.style_references),
        "error": (
            {"code": summary.error_code, "message": summary.error_detail}
            if summary.error_code
            else None
        ),
    }


def open_body(summary: GenerationSummary, organization_id: UUID) -> dict[str, Any]:
    """The same with the place in the queue and the estimated wait, while it is open."""
    facts = waiting_facts(summary.id, summary.state, at=now())
    return {**generation_body(summary, organization_id), **facts}


class Generations(ScopeByMethod, APIView):
    """The collection."""

    read_scope: ClassVar[str] = "images:read"
    write_scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="create_generation",
        request=GenerationRequestBody,
        parameters=[PREFER, IDEMPOTENCY_KEY, WEBHOOK_URL],
        responses={200: GenerationBody, 202: GenerationBody},
        summary="Queue a generation",
    )
    def post(self, request: Request) -> Response:
        """202 with Location, or with ``Prefer: wait=N`` 200 once it has ended within N seconds.

        ``dry_run`` answers 200 with the price, the balance after it and the filter's verdict on the
        prompt; it writes nothing and no GPU is asked.
        """
        form = GenerationRequestBody(data=request.data)
        form.is_valid(raise_exception=True)
        asked = generation_request({**form.validated_data}, dialect="native")
        if form.validated_data["dry_run"]:
            return Response(dry_run_body(asked, submitter_of(request)))
        submission = admit(request, asked)
        wait = preferred_wait(request)
        if submission.generation is not None and not wait:
            return accepted(submission.generation, submission.model)
        applied = {"Preference-Applied": f"wait={wait:.0f}"} if wait else {}
        return pending_response(
            Pending(
                organization_id=caller_of(request).organization_id,
                generation_id=submission.generation_id,
                reply=reply,
                wait_s=wait,
                headers=applied,
            )
        )

    @extend_schema(
        operation_id="list_generations",
        parameters=[AFTER, LIMIT, STATUS],
        responses={200: GenerationList},
        summary="List generations, newest first",
    )
    def get(self, request: Request) -> Response:
        """A page; ``after`` continues it, ``limit`` up to 100, ``status`` filters."""
        caller = caller_of(request)
        page = generations_of(
            caller.organization_id,
            cursor=request.query_params.get("after"),
            limit=page_size(request.query_params.get("limit")),
            state=known_state(request.query_params.get("status")),
        )
        return Response(
            {
                "object": "list",
                "data": [generation_body(row, caller.organization_id) for row in page.rows],
                "has_more": page.next_cursor is not None,
                "next_cursor": page.next_cursor,
            }
        )


def accepted(generation: Generation, model: str) -> Response:
    """202 for a job that was queued a moment ago, at the queue's end."""
    summary = summary_of_new(generation, model=model)
    queue = queue_lately(at=generation.created_at)
    body = {
        **generation_body(summary, generation.organization_id),
        "queue_position": max(queue.jobs - 1, 0),
        "estimated_wait_s": queue.wait_s(generation.work_gflop),
    }
    return Response(body, status=202, headers={"Location": f"/v1/generations/{summary.id}"})


def reply(_request: HttpRequest, detail: GenerationDetail) -> JsonResponse:
    """The generation as it is: 200 when it has ended, else 202."""
    summary = detail.summary
    ended = summary.state not in OPEN_STATES
    return JsonResponse(
        open_body(summary, detail.organization_id),
        status=200 if ended else 202,
        headers={"Location": f"/v1/generations/{summary.id}"},
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
        organization_id = caller_of(request).organization_id
        summary = generation_of(organization_id, generation_id).summary
        return Response(open_body(summary, organization_id))


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
        return Response(generation_body(summary, caller.organization_id))


def page_size(text: str | None) -> int:
    """The page's size as asked for. Raises InvalidRequest."""
    if text is None:
        return PAGE
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise InvalidRequest(f"limit must be from 1 to {LARGEST_PAGE}.", param="limit")
    return int(text)


def known_state(text: str | None) -> str | None:
    """The state to filter by. Raises InvalidRequest."""
    if text and text not in State.values:
        raise InvalidRequest(f"status must be one of {', '.join(State.values)}.", param="status")
    return text
