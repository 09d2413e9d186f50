"""POST /v1/images/generations: what the openai SDKs call."""

import base64
from collections.abc import Set
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.problems import problem_response
from governance.kernel.errors import DomainError
from inference.api.admission import Pending, admit, caller_of, pending_response
from inference.api.outcomes import StillRunning, raise_if_not_delivered
from inference.api.serializers import ImagesRequest, ImagesResponse, generation_request
from inference.api.streaming import image_events
from inference.operations.addresses import image_address
from inference.operations.storage import read_image
from inference.queries.generations import GenerationDetail, ImageSummary, artifact_of

BOTH = frozenset({"b64_json", "url"})


class ImagesGenerations(APIView):
    """Admission: everything up to the queued job, on a worker thread."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="create_images",
        request=ImagesRequest,
        responses={
            (200, "application/json"): ImagesResponse,
            (200, "text/event-stream"): OpenApiTypes.STR,
        },
        summary="Generate images and wait for them",
    )
    def post(self, request: Request) -> Response:
        """Queue the job; ``inference.api.held`` waits for it and replies."""
        form = ImagesRequest(data=request.data)
        form.is_valid(raise_exception=True)
        body = form.validated_data
        submission = admit(request, generation_request(body))
        return pending_response(
            Pending(
                organization_id=caller_of(request).organization_id,
                generation_id=submission.generation_id,
                reply=REPLIES.get(body.get("response_format"), reply),
                stream=image_events if body.get("stream") else None,
            )
        )


def images_reply(
    request: HttpRequest, detail: GenerationDetail, *, forms: Set[str]
) -> HttpResponse:
    """OpenAI's reply, each image in each of ``forms``, or a problem; the cost beside it in headers."""
    generation_id = detail.summary.id
    try:
        raise_if_not_delivered(detail)
        body = images_body(detail, forms)
    except DomainError as error:
        response = problem_response(error, request)
        if isinstance(error, StillRunning):
            response.headers["Location"] = f"/v1/generations/{generation_id}"
        return response
    return JsonResponse(body, headers=cost_headers(detail))


# By what the request names as its response_format. By default as base64 and as signed addresses, because
# clients of either kind of OpenAI's models read one of them without asking for it.
reply = partial(images_reply, forms=BOTH)
REPLIES = {
    "b64_json": partial(images_reply, forms={"b64_json"}),
    "url": partial(images_reply, forms={"url"}),
}


def cost_headers(detail: GenerationDetail) -> dict[str, str]:
    """Which job it was and what it cost, for clients that drop what they do not know of the body."""
    return {
        "x-generation-id": str(detail.summary.id),
        "x-cost-microusd": str(detail.summary.charged_microusd),
    }


def images_body(detail: GenerationDetail, forms: Set[str]) -> dict[str, Any]:
    """OpenAI's reply with the cost beside it."""
    summary = detail.summary
    withheld = detail.error_facts.get("withheld", [])
    return {
        "created": int(summary.created_at.timestamp()),
        "id": str(summary.id),
        "model": summary.model,
        "size": f"{summary.width}x{summary.height}",
        "quality": "auto",
        "background": "opaque",
        "output_format": detail.output_format,
        "data": [
            {
                **image_forms(detail, image, forms),
                **({"revised_prompt": summary.revised_prompt} if summary.revised_prompt else {}),
                "seed": summary.seed + image.index,
                "sha256": image.sha256,
            }
            for image in summary.artifacts
            if not image.deleted
        ],
        "usage": usage_of(detail),
        **({"withheld": withheld} if withheld else {}),
    }


def image_forms(detail: GenerationDetail, image: ImageSummary, forms: Set[str]) -> dict[str, str]:
    """The image as bytes, as an address, or as both."""
    found = {}
    if "b64_json" in forms:
        found["b64_json"] = encoded(detail.organization_id, detail.summary.id, image.index)
    if "url" in forms:
        found["url"] = image_address(image.id, detail.organization_id)
    return found


def usage_of(detail: GenerationDetail) -> dict[str, Any]:
    """What it cost, µUSD, for how many images, and how many the filter withheld."""
    return {
        "cost_microusd": detail.summary.charged_microusd,
        "images": len(detail.summary.artifacts),
        "withheld": len(detail.error_facts.get("withheld", [])),
    }


def encoded(organization_id: UUID, generation_id: UUID, index: int) -> str:
    """The image's bytes as base64, checked against its receipt."""
    return base64.b64encode(read_image(artifact_of(organization_id, generation_id, index))).decode()
