"""Predictions: what the replicate SDK calls, in its words for states and errors."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.api.fields import Text
from governance.operations.authorization import ReleaseNotFound
from inference.api.admission import (
    Pending,
    admit,
    caller_of,
    checked_address,
    kept,
    pending_response,
    preferred_wait,
)
from inference.api.generations import page_size
from inference.operations.addresses import image_address
from inference.operations.finishing import cancel_generation
from inference.operations.planning import (
    BEST_COMPRESSION,
    MAX_IMAGES,
    MAX_STEPS,
    GenerationRequest,
)
from inference.queries.generations import GenerationDetail, generation_of, generations_of

OWNERS = frozenset({"krea", "licet"})
STATUS = {
    "queued": "starting",
    "running": "processing",
    "succeeded": "succeeded",
    "blocked": "failed",
    "failed": "failed",
    "cancelled": "canceled",
}
WITHOUT_EFFECT = ("guidance_scale", "guidance", "negative_prompt", "disable_safety_checker")


class PredictionInput(serializers.Serializer[Any]):
    """The model's input, by the names that text-to-image models on Replicate use."""

    prompt = Text(trim_whitespace=False)
    expand_prompt = serializers.BooleanField(required=False, allow_null=True)
    width = serializers.IntegerField(required=False, allow_null=True, min_value=16)
    height = serializers.IntegerField(required=False, allow_null=True, min_value=16)
    num_outputs = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_IMAGES
    )
    num_inference_steps = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_STEPS
    )
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    output_format = serializers.RegexField(
        r"^(png|webp|jpe?g)\Z", required=False, help_text="png, webp (by default), jpg or jpeg."
    )
    output_quality = serializers.IntegerField(
        required=False, allow_null=True, min_value=0, max_value=BEST_COMPRESSION
    )


class PredictionRequest(serializers.Serializer[Any]):
    """Body of a new prediction."""

    input = PredictionInput()
    webhook = Text(required=False, allow_null=True, allow_blank=True)


class PredictionBody(serializers.Serializer[Any]):
    """A prediction as the SDK reads it."""

    id = serializers.UUIDField()
    model = serializers.CharField()
    version = serializers.CharField()
    status = serializers.ChoiceField(sorted(set(STATUS.values())))
    input = serializers.DictField()
    output = serializers.ListField(child=serializers.URLField(), allow_null=True)
    logs = serializers.CharField()
    error = serializers.CharField(allow_null=True)
    metrics = serializers.DictField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    urls = serializers.DictField(child=serializers.URLField())


class PredictionPage(serializers.Serializer[Any]):
    """A page of predictions, newest first."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = PredictionBody(many=True)


class ModelPredictions(APIView):
    """New predictions of one model."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="create_prediction",
        request=PredictionRequest,
        responses={200: PredictionBody, 201: PredictionBody, 202: PredictionBody},
        summary="Create a prediction (replicate)",
    )
    def post(self, request: Request, owner: str, name: str) -> Response:
        """201, or with ``Prefer: wait`` after up to N seconds, 60 by default."""
        if owner.lower() not in OWNERS:
            raise ReleaseNotFound(f"There is no model {owner}/{name} here.", param="model")
        form = PredictionRequest(data=request.data)
        form.is_valid(raise_exception=True)
        submission = admit(request, requested(form.validated_data, name.lower(), form.initial_data))
        return pending_response(
            Pending(
                organization_id=caller_of(request).organization_id,
                generation_id=submission.generation_id,
                reply=reply,
                wait_s=preferred_wait(request),
            )
        )


class Predictions(APIView):
    """The collection, for looking."""

    scope: ClassVar[str] = "images:read"

    @extend_schema(
        operation_id="list_predictions",
        responses={200: PredictionPage},
        summary="List predictions (replicate)",
    )
    def get(self, request: Request) -> Response:
        """Newest first; ``next`` is the address of the following page."""
        organization_id = caller_of(request).organization_id
        page = generations_of(
            organization_id,
            cursor=request.query_params.get("cursor"),
            limit=page_size(request.query_params.get("limit")),
        )
        rows = [generation_of(organization_id, row.id) for row in page.rows]
        following = f"{settings.PUBLIC_URL}/v1/predictions?cursor={page.next_cursor}"
        return Response(
            {
                "next": following if page.next_cursor else None,
                "previous": None,
                "results": [prediction_body(row) for row in rows],
            }
        )


class Prediction(APIView):
    """One prediction."""

    scope: ClassVar[str] = "images:read"

    @extend_schema(
        operation_id="get_prediction",
        responses={200: PredictionBody},
        summary="Look at a prediction (replicate)",
    )
    def get(self, request: Request, generation_id: UUID) -> Response:
        """The prediction as it is now."""
        return Response(
            prediction_body(generation_of(caller_of(request).organization_id, generation_id))
        )


class PredictionCancel(APIView):
    """Cancelling one prediction."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="cancel_prediction",
        request=None,
        responses={200: PredictionBody},
        summary="Cancel a prediction (replicate)",
    )
    def post(self, request: Request, generation_id: UUID) -> Response:
        """It costs nothing then."""
        organization_id = caller_of(request).organization_id
        generation_of(organization_id, generation_id)
        cancel_generation(
            organization_id=organization_id,
            generation_id=generation_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(prediction_body(generation_of(organization_id, generation_id)))


def requested(body: dict[str, Any], model: str, sent: dict[str, Any]) -> GenerationRequest:
    """Replicate's fields in our words."""
    chosen = body["input"]
    kind = chosen.get("output_format") or "webp"
    return GenerationRequest(
        prompt=chosen["prompt"],
        model=model,
        width=chosen.get("width"),
        height=chosen.get("height"),
        steps=chosen.get("num_inference_steps"),
        seed=chosen.get("seed"),
        images=chosen.get("num_outputs") or 1,
        output_format="jpeg" if kind == "jpg" else kind,
        output_compression=chosen.get("output_quality"),
        dialect="replicate",
        expand_prompt=bool(chosen.get("expand_prompt")),
        webhook_url=checked_address(body.get("webhook") or "", "webhook"),
        ignored=kept(sent["input"], WITHOUT_EFFECT),
    )


def reply(_request: HttpRequest, detail: GenerationDetail) -> JsonResponse:
    """201 with the prediction.

    A wait that ended too soon says ``starting``, as Replicate does: the SDK takes every other state
    for the end of the wait.
    """
    body = prediction_body(detail)
    if body["status"] == "processing":
        body["status"] = "starting"
    return JsonResponse(body, status=201)


def prediction_body(detail: GenerationDetail) -> dict[str, Any]:
    """The prediction's JSON; ``error`` is a sentence, ``output`` the images' signed addresses."""
    summary = detail.summary
    address = f"{settings.PUBLIC_URL}/v1/predictions/{summary.id}"
    done = summary.state == "succeeded"
    return {
        "id": str(summary.id),
        "model": f"krea/{summary.model}",
        "version": summary.model,
        "status": STATUS[summary.state],
        "input": {
            "prompt": summary.prompt,
            "width": summary.width,
            "height": summary.height,
            "num_inference_steps": summary.steps,
            "num_outputs": summary.images,
            "seed": summary.seed,
            "output_format": detail.output_format,
        },
        "output": [
            image_address(image.id, detail.organization_id)
            for image in summary.artifacts
            if not image.deleted
        ]
        if done
        else None,
        "logs": f"{step_share(summary.step, summary.steps)}\n" if summary.step else "",
        "error": summary.error_detail or None,
        "metrics": {
            "predict_time": seconds_between(summary.started_at, summary.finished_at),
            "cost_microusd": summary.charged_microusd,
        },
        "created_at": summary.created_at.isoformat(),
        "started_at": summary.started_at.isoformat() if summary.started_at else None,
        "completed_at": summary.finished_at.isoformat() if summary.finished_at else None,
        "urls": {"get": address, "cancel": f"{address}/cancel"},
        "data_removed": any(image.deleted for image in summary.artifacts),
    }


def step_share(step: int, steps: int) -> str:
    """Progress as the SDK's ``prediction.progress`` reads it."""
    return f"{100 * step // steps}%|steps | {step}/{steps}"


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from ``start`` to ``end``; None while one is open."""
    return round((end - start).total_seconds(), 3) if start and end else None
