"""POST /hf/models/{model}: what huggingface_hub's InferenceClient calls for ``text_to_image``.

The reply is the bare image; an error's ``error`` is a string, which is what that client prints.
"""

import json
from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.fields import Text
from governance.api.problems import exception_handler, problem_response
from governance.api.schema import PROBLEM
from governance.kernel.errors import DomainError
from inference.api.admission import Pending, admit, caller_of, kept, pending_response
from inference.api.images import cost_headers
from inference.api.outcomes import raise_if_not_delivered
from inference.operations.planning import MAX_STEPS, GenerationRequest
from inference.operations.storage import read_image
from inference.queries.generations import GenerationDetail, artifact_of

WITHOUT_EFFECT = ("guidance_scale", "negative_prompt", "scheduler")
FORMATS = {"image/jpeg": "jpeg", "image/jpg": "jpeg", "image/webp": "webp"}


class TextToImageParameters(serializers.Serializer[Any]):
    """InferenceClient.text_to_image's keyword arguments."""

    width = serializers.IntegerField(required=False, allow_null=True, min_value=16)
    height = serializers.IntegerField(required=False, allow_null=True, min_value=16)
    num_inference_steps = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_STEPS
    )
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    guidance_scale = serializers.FloatField(required=False, allow_null=True)
    negative_prompt = Text(required=False, allow_null=True, allow_blank=True)
    scheduler = Text(required=False, allow_null=True, allow_blank=True)


class TextToImageRequest(serializers.Serializer[Any]):
    """Body in hf-inference's shape."""

    inputs = Text(trim_whitespace=False, help_text="What to draw.")
    parameters = TextToImageParameters(required=False)


# The house's problem with what huggingface_hub prints: ``error`` is the sentence, the code stands beside it.
STRING_PROBLEM = PROBLEM | {
    "description": "RFC 9457, with the sentence that huggingface_hub prints.",
    "required": [*PROBLEM["required"], "code"],
    "properties": PROBLEM["properties"] | {"error": {"type": "string"}, "code": {"type": "string"}},
}


class TextToImage(APIView):
    """One image of a model, as bytes; ``/v1`` itself is the same address for the default model."""

    scope: ClassVar[str] = "images:write"

    def get_exception_handler(self) -> Callable[..., Any]:
        """Errors in this dialect's shape."""
        return string_errors

    @extend_schema(
        operation_id="hf_text_to_image",
        request=TextToImageRequest,
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            ("default", "application/problem+json"): STRING_PROBLEM,
        },
        summary="Generate one image (huggingface_hub)",
    )
    def post(self, request: Request, model: str | None = None) -> Response:
        """The client's Accept header chooses png, webp or jpeg."""
        form = TextToImageRequest(data=request.data)
        form.is_valid(raise_exception=True)
        chosen = form.validated_data.get("parameters") or {}
        asked = GenerationRequest(
            prompt=form.validated_data["inputs"],
            model=model.rsplit("/", 1)[-1].lower() if model else None,
            width=chosen.get("width"),
            height=chosen.get("height"),
            steps=chosen.get("num_inference_steps"),
            seed=chosen.get("seed"),
            output_format=FORMATS.get(request.headers.get("Accept", "").split(",")[0], "png"),
            dialect="huggingface",
            ignored=kept(chosen, WITHOUT_EFFECT),
        )
        submission = admit(request, asked)
        return pending_response(
            Pending(
                organization_id=caller_of(request).organization_id,
                generation_id=submission.generation_id,
                reply=reply,
            )
        )


class DefaultTextToImage(TextToImage):
    """The same at ``/v1`` itself, where ``InferenceClient(base_url="…/v1")`` posts; no entry of its own in
    the schema."""

    schema = None


def reply(request: HttpRequest, detail: GenerationDetail) -> HttpResponse:
    """The image's bytes, or the problem with its ``error`` as a string."""
    try:
        raise_if_not_delivered(detail)
        artifact = artifact_of(detail.organization_id, detail.summary.id, 0)
        data = read_image(artifact)
    except DomainError as error:
        response = problem_response(error, request)
        response.content = json.dumps(with_string(json.loads(response.content))).encode()
        return response
    return HttpResponse(data, content_type=artifact.media_type, headers=cost_headers(detail))


def string_errors(exception: Exception, context: dict[str, Any]) -> Response | None:
    """The house's problem document with ``error`` as a string."""
    response = exception_handler(exception, context)
    if response is not None:
        response.data = with_string(response.data)
    return response


def with_string(body: dict[str, Any]) -> dict[str, Any]:
    """``body`` with the sentence alone under ``error``; the code stays beside it."""
    return {**body, "error": body["error"]["message"], "code": body["error"]["code"]}
