"""Pages of one dataset: its items with their verdicts, the attestation, the order of a training."""

from collections.abc import Callable
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_http_methods

from billing.queries.quotes import PriceNotFound, quote_training
from governance.kernel.errors import DomainError, NotFound
from governance.models import Organization
from governance.portal.access import actor_of_person, organization_page, permissions_on
from governance.queries.organizations import default_project
from governance.queries.permissions import Permission
from inference.kernel.training_terms import (
    FEWEST_ITEMS,
    FEWEST_STEPS,
    MOST_ITEMS,
    MOST_RANK,
    MOST_STEPS,
    STATEMENT,
    STATEMENT_VERSION,
)
from inference.models import TrainingDataset
from inference.operations.admissions import Submitter
from inference.operations.training_data import attest_rights, delete_dataset
from inference.operations.training_items import Refusals, add_item, read_item, remove_item
from inference.operations.training_orders import order_training
from inference.operations.training_planning import TrainingRequest
from inference.portal.training_uploads import uploads_of
from inference.queries.training import attestation_of, dataset_of, item_of, items_of
from inference.tasks import enqueue_training

MOST_AT_ONCE = 2 * MOST_ITEMS


class OrderForm(forms.Form):
    """What a member chooses; everything else is the default."""

    name = forms.CharField(label="Name of the adapter", max_length=100)
    trigger = forms.CharField(
        label="Trigger word", max_length=100, help_text="As it stands in the captions."
    )
    steps = forms.IntegerField(
        label="Steps", min_value=FEWEST_STEPS, max_value=MOST_STEPS, initial=1000
    )
    rank = forms.IntegerField(label="Rank", min_value=1, max_value=MOST_RANK, initial=32)
    learning_rate = forms.FloatField(label="Learning rate", initial=3e-4)
    resolution = forms.IntegerField(
        label="Resolution, px", required=False, help_text="A side; by default the model's."
    )
    token = forms.UUIDField(widget=forms.HiddenInput())


def require_member(request: HttpRequest) -> None:
    """Raises Http404 for who may read here but not make anything."""
    if Permission.GENERATE not in permissions_on(request):
        raise Http404


@organization_page()
@require_http_methods(["GET", "POST"])
def dataset_page(
    request: HttpRequest, organization: Organization, dataset_id: UUID
) -> HttpResponse:
    """One dataset: its items with their verdicts, the statement, the order."""
    try:
        dataset = dataset_of(organization.id, dataset_id)
    except NotFound as error:
        raise Http404(error.detail) from error
    if request.method == "POST":
        require_member(request)
        act = ACTS.get(request.POST.get("act", ""))
        if act is None:
            raise Http404
        try:
            return act(request, organization, dataset)
        except DomainError as error:
            messages.error(request, error.detail)
            return redirect("training-dataset-page", organization.slug, dataset.id)
    return render(request, "inference/training_dataset.html", dataset_shown(request, dataset))


def dataset_shown(request: HttpRequest, dataset: TrainingDataset) -> dict[str, object]:
    """What the dataset's page needs."""
    items = items_of(dataset)
    granted = permissions_on(request)
    return {
        "dataset": dataset,
        "items": items,
        "accepted": sum(item.accepted for item in items),
        "attestation": attestation_of(dataset.id),
        "statement": STATEMENT,
        "fewest": FEWEST_ITEMS,
        "most": MOST_ITEMS,
        "form": OrderForm(initial={"token": uuid4()}),
        "price": price_of_thousand(),
        "jobs": dataset.jobs.order_by("-id"),
        "may_make": Permission.GENERATE in granted,
        "may_see": Permission.VIEW_IMAGES in granted,
    }


def price_of_thousand() -> int | None:
    """µUSD of 1,000 steps at 1024 x 1024 px; None where no training is offered."""
    try:
        return quote_training(steps=1000, at=now()).amount
    except PriceNotFound:
        return None


def upload(
    request: HttpRequest, organization: Organization, dataset: TrainingDataset
) -> HttpResponse:
    """Take in the sent pictures one by one; a refused one is a row with its reason."""
    files = request.FILES.getlist("files")[:MOST_AT_ONCE]
    taken = 0
    sent = uploads_of(files, request.POST.get("caption", ""))
    for each in sent:
        try:
            add_item(
                organization_id=organization.id,
                dataset_id=dataset.id,
                data=each.data,
                caption=each.caption,
                name=each.name,
                actor=actor_of_person(request),
                at=now(),
            )
        except Refusals as refusal:
            messages.warning(request, f"{each.name}: {refusal}")
        except DomainError as error:
            messages.error(request, f"{each.name}: {error.detail}")
        else:
            taken += 1
    messages.success(request, f"{taken} of {len(sent)} pictures taken.")
    return redirect("training-dataset-page", organization.slug, dataset.id)


def remove(
    request: HttpRequest, organization: Organization, dataset: TrainingDataset
) -> HttpResponse:
    """Take one item out. Raises NotFound."""
    try:
        item_id = UUID(request.POST.get("item", ""))
    except ValueError as error:
        raise Http404 from error
    remove_item(
        organization_id=organization.id,
        dataset_id=dataset.id,
        item_id=item_id,
        actor=actor_of_person(request),
    )
    return redirect("training-dataset-page", organization.slug, dataset.id)


def attest(
    request: HttpRequest, organization: Organization, dataset: TrainingDataset
) -> HttpResponse:
    """This person vouches for the rights."""
    if request.POST.get("agree") == "yes":
        attest_rights(
            organization_id=organization.id,
            dataset_id=dataset.id,
            text_version=STATEMENT_VERSION,
            actor=actor_of_person(request),
            at=now(),
        )
    return redirect("training-dataset-page", organization.slug, dataset.id)


def start(
    request: HttpRequest, organization: Organization, dataset: TrainingDataset
) -> HttpResponse:
    """Order a training. The form's token makes a double click one training."""
    form = OrderForm(request.POST)
    if not form.is_valid():
        shown = {**dataset_shown(request, dataset), "form": form}
        return render(request, "inference/training_dataset.html", shown, status=400)
    asked = dict(form.cleaned_data)
    token = asked.pop("token")
    job_id = order_training(
        request=TrainingRequest(dataset_id=dataset.id, **asked),
        submitter=Submitter(
            organization_id=organization.id,
            project_id=default_project(organization.id).id,
            api_key_id=None,
            actor=actor_of_person(request),
            member_id=request.user.pk,
        ),
        at=now(),
        enqueue=enqueue_training,
        key=f"training:{token}",
    )
    return redirect("training-job-page", organization.slug, job_id)


def delete(
    request: HttpRequest, organization: Organization, dataset: TrainingDataset
) -> HttpResponse:
    """Take the dataset away."""
    delete_dataset(
        organization_id=organization.id,
        dataset_id=dataset.id,
        actor=actor_of_person(request),
        at=now(),
    )
    messages.success(request, f"{dataset.name} was deleted.")
    return redirect("training-home", organization.slug)


Act = Callable[[HttpRequest, Organization, TrainingDataset], HttpResponse]
ACTS: dict[str, Act] = {
    "upload": upload,
    "remove": remove,
    "attest": attest,
    "start": start,
    "delete": delete,
}


@organization_page(Permission.VIEW_IMAGES)
@require_GET
def item_image(
    request: HttpRequest,  # noqa: ARG001 (a view's signature)
    organization: Organization,
    dataset_id: UUID,
    item_id: UUID,
) -> HttpResponse:
    """An accepted item's picture."""
    try:
        data = read_item(item_of(organization.id, dataset_id, item_id))
    except DomainError as error:
        raise Http404(error.detail) from error
    return picture(data, "image/png")


def picture(data: bytes, media_type: str) -> HttpResponse:
    """Bytes for this browser alone."""
    headers = {"Cache-Control": "private, max-age=3600"}
    return HttpResponse(data, content_type=media_type, headers=headers)
