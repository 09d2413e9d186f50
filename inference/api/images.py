"""POST /v1/images/generations: what the openai SDK calls, and the address of an image."""

import base64
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.api.problems import problem_response
from governance.kernel.errors import DomainError
from governance.operations.api_keys import Caller
from inference.api.outcomes import StillRunning, raise_if_not_delivered
from inference.api.serializers import ImagesRequest, ImagesResponse
from inference.api.waiting import wait_until_final
from inference.operations.adapters import AdapterChoice
from inference.operations.addresses import artifact_behind, image_address
from inference.operations.planning import GenerationRequest
from inference.operations.storage import read_image
from inference.operations.submission import Submitter, submit_generation
from inference.queries.generations import (
    GenerationDetail,
    artifact_by_id,
    artifact_of,
    generation_of,
)
from inference.tasks import enqueue

WAIT_S = 300.0


class ImagesGenerations(APIView):
    """Admission: everything up to the queued job, on a worker thread."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="create_images",
        request=ImagesRequest,
        responses={200: ImagesResponse},
        summary="Generate images and wait for them",
    )
    def post(self, request: Request) -> Response:
        """Queue the job; the asynchronous half below waits for it and replies."""
        form = ImagesRequest(data=request.data)
        form.is_valid(raise_exception=True)
        body = form.validated_data
        submission = submit_generation(
            request=generation_request(body),
            submitter=submitter_of(request),
            idempotency_key=request.headers.get("Idempotency-Key"),
            is_marked_retry=request.headers.get("x-stainless-retry-count", "0") not in ("", "0"),
            at=now(),
            enqueue=enqueue,
        )
        response = Response(status=202)
        response.pending = Pending(  # type: ignore[attr-defined]
            organization_id=request.user.organization_id,  # type: ignore[union-attr]
            generation_id=submission.generation_id,
            as_url=body.get("response_format") == "url",
        )
        return response


class Pending:
    """A job that is being waited for."""

    def __init__(self, *, organization_id: UUID, generation_id: UUID, as_url: bool) -> None:
        self.organization_id = organization_id
        self.generation_id = generation_id
        self.as_url = as_url


def generation_request(body: dict[str, Any], *, dialect: str = "openai") -> GenerationRequest:
    """OpenAI's fields in our words."""
    width, height = body.get("size") or (None, None)
    return GenerationRequest(
        prompt=body["prompt"],
        model=body.get("model"),
        width=width,
        height=height,
        steps=body.get("steps") or body.get("num_inference_steps"),
        seed=body.get("seed"),
        images=body.get("n") or 1,
        output_format=body.get("output_format") or "png",
        dialect=dialect,
        client_user=body.get("user") or "",
        adapters=tuple(AdapterChoice(**each) for each in body.get("adapters") or ()),
        deadline_s=body.get("deadline_s"),
    )


def submitter_of(request: Request) -> Submitter:
    """The key's owner pays, the key acts."""
    caller: Caller = request.user  # type: ignore[assignment]
    return Submitter(
        organization_id=caller.organization_id,
        project_id=caller.project_id,
        api_key_id=caller.key_id,
        actor=actor_of(request),
        test_mode=caller.mode == "test",
    )


def waiting(view: type[APIView]) -> Callable[..., Any]:
    """An asynchronous view around ``view``: admission on a thread, waiting on the event loop."""
    admit = view.as_view()

    async def handle(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        response = await sync_to_async(rendered)(admit, request, kwargs)
        pending: Pending | None = getattr(response, "pending", None)
        if pending is None:
            return response
        await wait_until_final(pending.generation_id, timeout_s=WAIT_S)
        return await sync_to_async(reply)(request, pending)

    handle.cls = view  # type: ignore[attr-defined]
    handle.initkwargs = {}  # type: ignore[attr-defined]
    return csrf_exempt(handle)


def rendered(
    admit: Callable[..., HttpResponseBase], request: HttpRequest, kwargs: dict[str, Any]
) -> HttpResponseBase:
    """Run the admission and render its reply on this thread.

    The connection goes back to the pool before the wait begins: hundreds may wait at once.
    """
    try:
        response = admit(request, **kwargs)
        if hasattr(response, "render"):
            response.render()
        return response
    finally:
        connections.close_all()


def reply(request: HttpRequest, pending: Pending) -> HttpResponse:
    """The images, or the problem that says why there are none."""
    try:
        detail = generation_of(pending.organization_id, pending.generation_id)
        raise_if_not_delivered(detail)
        body = images_body(detail, as_url=pending.as_url)
    except StillRunning as error:
        response = problem_response(error, request)
        response.headers["Location"] = f"/v1/generations/{pending.generation_id}"
        return response
    except DomainError as error:
        return problem_response(error, request)
    return JsonResponse(
        body,
        headers={
            "x-generation-id": str(pending.generation_id),
            "x-cost-microusd": str(detail.summary.charged_microusd),
        },
    )


def images_body(detail: GenerationDetail, *, as_url: bool) -> dict[str, Any]:
    """OpenAI's reply with the cost beside it."""
    summary = detail.summary
    withheld = detail.error_facts.get("withheld", [])
    return {
        "created": int(summary.created_at.timestamp()),
        "id": str(summary.id),
        "model": summary.model,
        "size": f"{summary.width}x{summary.height}",
        "output_format": detail.output_format,
        "data": [
            {
                **(
                    {"url": image_address(image.id)}
                    if as_url
                    else {"b64_json": encoded(detail.organization_id, summary.id, image.index)}
                ),
                "seed": summary.seed + image.index,
                "sha256": image.sha256,
            }
            for image in summary.artifacts
        ],
        "usage": {
            "cost_microusd": summary.charged_microusd,
            "images": len(summary.artifacts),
            "withheld": len(withheld),
        },
        **({"withheld": withheld} if withheld else {}),
    }


def encoded(organization_id: UUID, generation_id: UUID, index: int) -> str:
    """The image's bytes as base64, checked against its receipt."""
    return base64.b64encode(read_image(artifact_of(organization_id, generation_id, index))).decode()


def image_content(request: HttpRequest, token: str) -> HttpResponse:
    """GET /v1/images/content/TOKEN: the image behind a signed address."""
    try:
        artifact = artifact_by_id(artifact_behind(token))
        data = read_image(artifact)
    except DomainError as error:
        return problem_response(error, request)
    return HttpResponse(
        data,
        content_type=artifact.media_type,
        headers={"ETag": f'"{artifact.sha256}"', "Cache-Control": "private, max-age=3600"},
    )
