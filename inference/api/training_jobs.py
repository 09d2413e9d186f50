"""/v1/training/jobs: order a training, look how it goes, cancel it, see its samples."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils.timezone import now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.api.authentication import actor_of
from governance.kernel.errors import InvalidRequest
from inference.api.admission import caller_of, submitter_of
from inference.api.generations import AFTER, IDEMPOTENCY_KEY, LIMIT, page_size
from inference.models import TrainingJob
from inference.operations.training_finishing import cancel_training
from inference.operations.training_orders import order_training
from inference.operations.training_planning import TrainingRequest
from inference.operations.training_samples import read_sample
from inference.queries.training import job_of, jobs_of, losses_of, sample_of, samples_of
from inference.tasks import enqueue_training


class TrainingOrder(serializers.Serializer[Any]):
    """Body of POST /v1/training/jobs."""

    dataset = serializers.UUIDField()
    name = serializers.CharField(max_length=100, help_text="The adapter's name.")
    trigger = serializers.CharField(required=False, max_length=100, help_text="Its trigger word.")
    base = serializers.CharField(required=False, help_text="A Raw model; by default the first.")
    steps = serializers.IntegerField(default=1000, help_text="4 to 4,000.")
    rank = serializers.IntegerField(default=32, help_text="1 to 64.")
    learning_rate = serializers.FloatField(default=3e-4, help_text="0.000001 to 0.01.")
    resolution = serializers.IntegerField(
        required=False, help_text="px a side, rounded up to 16; by default the model's."
    )
    seed = serializers.IntegerField(required=False)
    sample_prompt = serializers.CharField(
        required=False, help_text="What samples show; by default the trigger word."
    )


class TrainingBody(serializers.Serializer[Any]):
    """One training. Times in UTC, money in µUSD, resolution in px a side."""

    id = serializers.UUIDField()
    object = serializers.CharField(default="training")
    status = serializers.CharField()
    name = serializers.CharField()
    trigger = serializers.CharField()
    base = serializers.CharField()
    dataset = serializers.UUIDField()
    dataset_sha256 = serializers.CharField()
    steps = serializers.IntegerField()
    step = serializers.IntegerField()
    checkpoint_step = serializers.IntegerField()
    rank = serializers.IntegerField()
    learning_rate = serializers.FloatField()
    resolution = serializers.IntegerField()
    seed = serializers.IntegerField()
    quoted_microusd = serializers.IntegerField()
    charged_microusd = serializers.IntegerField()
    adapter = serializers.UUIDField(allow_null=True)
    error = serializers.DictField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class TrainingDetailBody(TrainingBody):
    """One training with its losses (averaged to at most 200 points) and its samples."""

    losses = serializers.ListField(child=serializers.DictField())
    samples = serializers.ListField(child=serializers.DictField())


class TrainingList(serializers.Serializer[Any]):
    """A page of trainings, newest first."""

    object = serializers.CharField(default="list")
    # Serializer has a property of this name; for a schema the field is what counts.
    data = TrainingBody(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()
    next_cursor = serializers.CharField(allow_null=True)


def training_body(job: TrainingJob) -> dict[str, Any]:
    """The reply's JSON for one training."""
    plain = (
        "name", "trigger", "dataset_sha256", "steps", "step", "checkpoint_step", "rank",
        "learning_rate", "resolution", "seed", "quoted_microusd", "charged_microusd", "created_at",
        "started_at", "finished_at",
    )  # fmt: skip
    error = {"code": job.error_code, "message": job.error_detail, **job.error_facts}
    return {
        "id": str(job.id),
        "object": "training",
        "status": job.state,
        "base": job.release.slug,
        "dataset": str(job.dataset_id),
        "adapter": str(job.adapter_id) if job.adapter_id else None,
        "error": error if job.error_code else None,
        **{name: getattr(job, name) for name in plain},
    }


def detail_body(job: TrainingJob) -> dict[str, Any]:
    """The reply's JSON for one training with losses and samples."""
    return {
        **training_body(job),
        "losses": [{"step": point.step, "loss": point.loss} for point in losses_of(job)],
        "samples": [
            {
                "step": sample.step,
                "sha256": sample.sha256,
                "url": f"/v1/training/jobs/{job.id}/samples/{sample.step}" if sample.blob else None,
                "error": {"code": sample.error_code, "message": sample.error_detail}
                if sample.error_code
                else None,
            }
            for sample in samples_of(job)
        ],
    }


class TrainingJobs(APIView):
    """The collection."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="create_training",
        request=TrainingOrder,
        responses={202: TrainingBody},
        parameters=[IDEMPOTENCY_KEY],
        summary="Train an adapter (LoRA) on Raw",
    )
    def post(self, request: Request) -> Response:
        """202 with the training: its price is held, and charged by the steps run once it succeeds."""
        form = TrainingOrder(data=request.data)
        form.is_valid(raise_exception=True)
        asked = dict(form.validated_data)
        job_id = order_training(
            request=TrainingRequest(dataset_id=asked.pop("dataset"), **asked),
            submitter=submitter_of(request),
            at=now(),
            enqueue=enqueue_training,
            key=request.headers.get("Idempotency-Key"),
        )
        job = job_of(caller_of(request).organization_id, job_id)
        place = {"Location": f"/v1/training/jobs/{job.id}"}
        return Response(training_body(job), status=202, headers=place)

    @extend_schema(
        operation_id="list_trainings",
        responses={200: TrainingList},
        parameters=[AFTER, LIMIT],
        summary="List trainings",
    )
    def get(self, request: Request) -> Response:
        """A page, newest first."""
        limit = page_size(request.query_params.get("limit"))
        rows = jobs_of(caller_of(request).organization_id)
        after = request.query_params.get("after")
        if after:
            rows = rows.filter(id__lt=cursor_of(after))
        found = list(rows[: limit + 1])
        page = found[:limit]
        more = len(found) > limit
        return Response(
            {
                "object": "list",
                "data": [training_body(job) for job in page],
                "has_more": more,
                "next_cursor": str(page[-1].id) if more else None,
            }
        )


def cursor_of(after: str) -> UUID:
    """The id that a page begins after. Raises InvalidRequest."""
    try:
        return UUID(after)
    except ValueError as error:
        raise InvalidRequest("after is no cursor of this list.", param="after") from error


class TrainingDetail(APIView):
    """One training."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="get_training",
        responses={200: TrainingDetailBody},
        summary="Look at a training: step, losses, samples, cost, result",
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """The training as it is now; ask again while its status is queued or running."""
        return Response(detail_body(job_of(caller_of(request).organization_id, job_id)))


class TrainingCancel(APIView):
    """Cancelling one training."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="cancel_training",
        request=None,
        responses={200: TrainingBody},
        summary="Cancel a training",
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        """A queued one ends at once, a running one within a step; it costs nothing."""
        organization_id = caller_of(request).organization_id
        cancel_training(
            organization_id=organization_id, job_id=job_id, actor=actor_of(request), at=now()
        )
        return Response(training_body(job_of(organization_id, job_id)))


class TrainingSampleContent(APIView):
    """One sample's picture."""

    scope: ClassVar[str] = "images:write"

    @extend_schema(
        operation_id="get_training_sample",
        responses={(200, "image/png"): OpenApiTypes.BINARY},
        summary="A sample that the output gate released",
    )
    def get(self, request: Request, job_id: UUID, step: int) -> HttpResponse:
        """The bytes, checked against their receipt; 404 for a withheld one."""
        sample = sample_of(caller_of(request).organization_id, job_id, step)
        return HttpResponse(read_sample(sample), content_type=sample.media_type)
