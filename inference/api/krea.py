"""Krea's own dialect, so that what was written against the hosted Krea 2 runs here unchanged."""

import re
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.api.fields import Text
from governance.api.permissions import ScopeByMethod
from governance.kernel.errors import InvalidRequest
from governance.operations.authorization import ReleaseNotFound
from governance.queries.releases import active_releases
from inference.api.admission import Pending, admit, caller_of, kept, pending_response
from inference.api.generations import IDEMPOTENCY_KEY, WEBHOOK_URL
from inference.api.pictures import PictureJSONParser, picture_in
from inference.operations.addresses import image_address
from inference.operations.finishing import cancel_generation
from inference.operations.moodboards import StyleChoice, StyleWish
from inference.operations.planning import MAX_IMAGES, MAX_STEPS, GenerationRequest
from inference.operations.references import upload_reference
from inference.queries.backlog import waiting_facts
from inference.queries.generations import GenerationDetail, generation_of

STATUS = {
    "queued": "queued",
    "running": "processing",
    "succeeded": "completed",
    "blocked": "failed",
    "failed": "failed",
    "cancelled": "cancelled",
}
# The hosted sizes of Krea 2 by the kind of open weights that plays their part here.
HOSTED_VARIANTS = {"medium": "turbo", "large": "raw"}
WITHOUT_EFFECT = ("creativity", "guidance_scale", "negative_prompt", "resolution")
SIDE_OF_ONE = 1024
STEP_PX = 16
LARGEST_STRENGTH = 2.0
# An id alone, or the end of an address of /v1/style_references, whatever the host is called.
REFERENCE = re.compile(
    r"(?:https?://[^?#]+/v1/style_references/|/v1/style_references/)?"
    r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/content)?"
)


class KreaStyleReference(serializers.Serializer[Any]):
    """A style reference in Krea's words."""

    url = serializers.CharField(
        help_text="The address or id of one of your style references, or a data URL of a picture."
    )
    strength = serializers.FloatField(
        default=1.0,
        min_value=-LARGEST_STRENGTH,
        max_value=LARGEST_STRENGTH,
        help_text="0 to 2. Below 0 is refused: no style is pushed away here.",
    )


class KreaRequest(serializers.Serializer[Any]):
    """Body of a new job. ``aspect_ratio`` chooses sides around 1024 x 1024 px of area."""

    prompt = Text(trim_whitespace=False)
    width = serializers.IntegerField(required=False, allow_null=True, min_value=16)
    height = serializers.IntegerField(required=False, allow_null=True, min_value=16)
    aspect_ratio = serializers.RegexField(
        r"^[0-9]{1,2}:[0-9]{1,2}\Z",
        required=False,
        allow_null=True,
        help_text='For example "16:9".',
    )
    steps = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_STEPS
    )
    seed = serializers.IntegerField(required=False, allow_null=True, min_value=0)
    batchSize = serializers.IntegerField(  # noqa: N815 (Krea's name)
        required=False, allow_null=True, min_value=1, max_value=MAX_IMAGES
    )
    expand_prompt = serializers.BooleanField(required=False, allow_null=True)
    image_style_references = KreaStyleReference(many=True, required=False)
    moodboard_id = serializers.UUIDField(required=False, allow_null=True)


class KreaJob(serializers.Serializer[Any]):
    """A job in Krea's words."""

    job_id = serializers.UUIDField()
    status = serializers.ChoiceField(sorted(set(STATUS.values())))
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    result = serializers.DictField(allow_null=True)
    revised_prompt = serializers.CharField(allow_null=True)
    queue_position = serializers.IntegerField(required=False)
    estimated_wait_s = serializers.FloatField(required=False, allow_null=True)


class KreaGenerate(APIView):
    """New jobs of one variant of Krea 2."""

    scope: ClassVar[str] = "images:write"
    parser_classes = [PictureJSONParser]

    @extend_schema(
        operation_id="krea_generate",
        request=KreaRequest,
        parameters=[WEBHOOK_URL, IDEMPOTENCY_KEY],
        responses={200: KreaJob},
        summary="Create a job (Krea)",
    )
    def post(self, request: Request, variant: str) -> Response:
        """The job at once; poll ``/jobs/{id}`` or name an X-Webhook-URL."""
        form = KreaRequest(data=request.data)
        form.is_valid(raise_exception=True)
        body = form.validated_data
        width, height = sides_of(body)
        asked = GenerationRequest(
            prompt=body["prompt"],
            model=release_of(variant),
            width=width,
            height=height,
            steps=body.get("steps"),
            seed=body.get("seed"),
            images=body.get("batchSize") or 1,
            dialect="krea",
            style=krea_style(request, body),
            expand_prompt=bool(body.get("expand_prompt")),
            ignored=kept(form.initial_data, WITHOUT_EFFECT),
        )
        submission = admit(request, asked)
        return pending_response(
            Pending(
                organization_id=caller_of(request).organization_id,
                generation_id=submission.generation_id,
                reply=reply,
                wait_s=0,
            )
        )


class KreaJobs(ScopeByMethod, APIView):
    """One job."""

    read_scope: ClassVar[str] = "images:read"
    write_scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="krea_get_job", responses={200: KreaJob}, summary="Look at a job (Krea)"
    )
    def get(self, request: Request, generation_id: UUID) -> Response:
        """The job as it is now."""
        return Response(job_body(generation_of(caller_of(request).organization_id, generation_id)))

    @extend_schema(
        operation_id="krea_delete_job", responses={200: KreaJob}, summary="Cancel a job (Krea)"
    )
    def delete(self, request: Request, generation_id: UUID) -> Response:
        """Cancelled jobs cost nothing."""
        organization_id = caller_of(request).organization_id
        generation_of(organization_id, generation_id)
        cancel_generation(
            organization_id=organization_id,
            generation_id=generation_id,
            actor=actor_of(request),
            at=now(),
        )
        return Response(job_body(generation_of(organization_id, generation_id)))


def krea_style(request: Request, body: dict[str, Any]) -> StyleWish:
    """Krea's references, whose strength of 2 is the whole answer here. A picture that comes with the
    request is taken in like an upload. Raises InvalidRequest and what ``upload_reference`` raises."""
    wanted = body.get("image_style_references") or []
    if any(each["strength"] < 0 for each in wanted):
        raise InvalidRequest(
            "A style reference has a strength from 0 to 2; none below 0 is offered here.",
            param="image_style_references",
        )
    return StyleWish(
        references=tuple(
            StyleChoice(reference_behind(request, each["url"]), each["strength"] / LARGEST_STRENGTH)
            for each in wanted
        ),
        moodboard=body.get("moodboard_id"),
    )


def reference_behind(request: Request, address: str) -> UUID:
    """The reference that an address, an id or a data URL names. Raises InvalidRequest."""
    named = REFERENCE.fullmatch(address)
    if named is not None:
        return UUID(named[1])
    reference = upload_reference(
        data=picture_in(address, "image_style_references"),
        name="",
        organization_id=caller_of(request).organization_id,
        actor=actor_of(request),
        at=now(),
    )
    return reference.id


def release_of(variant: str) -> str:
    """The release that plays the part of a hosted variant, or that has this name itself.

    Raises ReleaseNotFound.
    """
    wanted = HOSTED_VARIANTS.get(variant.lower(), variant.lower())
    releases = active_releases()
    named = [release for release in releases if release.slug in {wanted, f"krea-2-{wanted}"}]
    playing = [release for release in releases if release.variant == wanted]
    found = next(iter([*named, *playing]), None)
    if found is None:
        raise ReleaseNotFound(f"There is no variant {variant!r} of Krea 2 here.", param="variant")
    return found.slug


def sides_of(body: dict[str, Any]) -> tuple[int | None, int | None]:
    """Width and height in px as sent, or from the aspect ratio at about 1024 x 1024 px."""
    ratio = body.get("aspect_ratio")
    if not ratio or body.get("width") or body.get("height"):
        return body.get("width"), body.get("height")
    across, down = (int(part) for part in ratio.split(":"))
    if not across or not down:
        raise InvalidRequest(
            "aspect_ratio is WIDTH:HEIGHT, for example 16:9.", param="aspect_ratio"
        )
    width = SIDE_OF_ONE * (across / down) ** 0.5
    return multiple(width), multiple(width * down / across)


def multiple(side: float) -> int:
    """The nearest multiple of 16 px."""
    return max(round(side / STEP_PX), 1) * STEP_PX


def reply(_request: HttpRequest, detail: GenerationDetail) -> JsonResponse:
    """The job."""
    return JsonResponse(job_body(detail))


def job_body(detail: GenerationDetail) -> dict[str, Any]:
    """Krea's job object; a failed one says why in ``result.error``, which Krea leaves open."""
    summary = detail.summary
    ended = summary.finished_at is not None
    result: dict[str, Any] | None = None
    if summary.state == "succeeded":
        result = {
            "urls": [
                image_address(image.id, detail.organization_id)
                for image in summary.artifacts
                if not image.deleted
            ]
        }
    elif ended:
        result = {"error": summary.error_detail, "code": summary.error_code}
    return {
        "job_id": str(summary.id),
        "status": STATUS[summary.state],
        "created_at": summary.created_at.isoformat(),
        "completed_at": summary.finished_at.isoformat() if summary.finished_at else None,
        "result": result,
        "revised_prompt": summary.revised_prompt or None,
        **waiting_facts(summary.id, summary.state, at=now()),
        "cost_microusd": summary.charged_microusd,
    }
