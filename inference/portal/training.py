"""Pages of trainings: the list, and how one goes."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_http_methods

from governance.kernel.errors import DomainError, NotFound
from governance.models import Organization
from governance.portal.access import actor_of_person, organization_page, permissions_on
from governance.portal.charts import LimitChart, limit_chart
from governance.queries.permissions import Permission
from inference.models import TrainingJob
from inference.operations.training_data import create_dataset
from inference.operations.training_finishing import cancel_training
from inference.operations.training_samples import read_sample
from inference.portal.training_datasets import picture, require_member
from inference.queries.training import (
    datasets_of,
    job_of,
    jobs_of,
    losses_of,
    sample_of,
    samples_of,
)

LISTED = 50
THOUSANDTHS = 1000


@organization_page()
@require_http_methods(["GET", "POST"])
def training_home(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Datasets and trainings, newest first; a POST makes a dataset."""
    if request.method == "POST":
        require_member(request)
        try:
            dataset = create_dataset(
                organization_id=organization.id,
                name=request.POST.get("name", ""),
                actor=actor_of_person(request),
                at=now(),
            )
        except DomainError as error:
            messages.error(request, error.detail)
        else:
            return redirect("training-dataset-page", organization.slug, dataset.id)
    return render(
        request,
        "inference/training.html",
        {
            "datasets": datasets_of(organization.id)[:LISTED],
            "jobs": jobs_of(organization.id)[:LISTED],
            "may_make": Permission.GENERATE in permissions_on(request),
        },
    )


@organization_page()
@require_http_methods(["GET", "POST"])
def job_page(request: HttpRequest, organization: Organization, job_id: UUID) -> HttpResponse:
    """One training: loss, samples, cost, result. A POST cancels it."""
    job = found_job(organization, job_id)
    if request.method == "POST":
        require_member(request)
        try:
            cancel_training(
                organization_id=organization.id,
                job_id=job.id,
                actor=actor_of_person(request),
                at=now(),
            )
        except DomainError as error:
            messages.error(request, error.detail)
        return redirect("training-job-page", organization.slug, job.id)
    return render(request, "inference/training_job.html", job_shown(request, job))


@organization_page()
@require_GET
def job_progress(request: HttpRequest, organization: Organization, job_id: UUID) -> HttpResponse:
    """The fragment that shows how it goes, and asks again while it is open."""
    job = found_job(organization, job_id)
    return render(request, "inference/_training_progress.html", job_shown(request, job))


def found_job(organization: Organization, job_id: UUID) -> TrainingJob:
    """One training of this organization. Raises Http404."""
    try:
        return job_of(organization.id, job_id)
    except NotFound as error:
        raise Http404(error.detail) from error


def job_shown(request: HttpRequest, job: TrainingJob) -> dict[str, object]:
    """What a training's templates need."""
    granted = permissions_on(request)
    return {
        "job": job,
        "chart": loss_chart(job),
        "samples": samples_of(job),
        "may_make": Permission.GENERATE in granted,
        "may_see": Permission.VIEW_IMAGES in granted,
    }


def loss_chart(job: TrainingJob) -> LimitChart | None:
    """The loss in thousandths by step; None before there are two points."""
    points = [
        (str(each.step), round(THOUSANDTHS * each.loss)) for each in losses_of(job, points=60)
    ]
    return limit_chart(points) if len(points) > 1 else None


@organization_page(Permission.VIEW_IMAGES)
@require_GET
def sample_image(
    request: HttpRequest,  # noqa: ARG001 (a view's signature)
    organization: Organization,
    job_id: UUID,
    step: int,
) -> HttpResponse:
    """A released sample, checked against its receipt."""
    try:
        sample = sample_of(organization.id, job_id, step)
        data = read_sample(sample)
    except DomainError as error:
        raise Http404(error.detail) from error
    return picture(data, sample.media_type)
