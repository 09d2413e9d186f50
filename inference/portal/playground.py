"""The playground: a member generates in the browser and watches the steps."""

from uuid import UUID, uuid4

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_http_methods

from billing.queries.balances import balance_of
from billing.queries.quotes import PriceNotFound, quote_generation
from governance.kernel.errors import DomainError, NotFound
from governance.models import ModelRelease, Organization
from governance.portal.access import actor_of_person, organization_page, permissions_on
from governance.queries.organizations import default_project
from governance.queries.permissions import Permission
from governance.queries.releases import active_releases, default_release_slug
from inference.models import StyleReference
from inference.operations.admissions import Submitter
from inference.operations.idempotency import Repetition
from inference.operations.moodboards import DEFAULT_STRENGTH, NO_STYLE, StyleChoice, StyleWish
from inference.operations.planning import MAX_PROMPT_CHARACTERS, GenerationRequest
from inference.operations.references import upload_reference
from inference.operations.submission import submit_generation
from inference.portal.code import as_curl, as_python
from inference.queries.generations import GenerationDetail, generation_of
from inference.queries.references import references_of
from inference.tasks import enqueue
from moderation.operations.intake import MOST_BYTES

MOST_IMAGES = 4
MOST_SHOWN = 50
STRENGTHS = ((0.25, "lightly"), (0.5, "evenly"), (0.75, "strongly"))
# Ideas that the tiny model knows; a real model takes anything.
IDEAS = (
    "a large red circle on a blue background",
    "two small yellow triangles on a black background",
    "a green square to the left of a white star",
)


class PlaygroundForm(forms.Form):
    """What a member may choose; everything else is the release's default."""

    prompt = forms.CharField(
        label="What should the picture show?",
        max_length=MAX_PROMPT_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": IDEAS[0]}),
    )
    model = forms.ChoiceField(label="Model")
    side = forms.TypedChoiceField(label="Size", coerce=int)
    images = forms.TypedChoiceField(
        label="Pictures", coerce=int, choices=[(n, str(n)) for n in range(1, MOST_IMAGES + 1)]
    )
    seed = forms.IntegerField(
        label="Seed",
        required=False,
        min_value=0,
        max_value=2**32 - 1,
        help_text="The same seed makes the same picture again.",
        widget=forms.NumberInput(attrs={"class": "input", "placeholder": "by chance"}),
    )
    expand = forms.BooleanField(
        label="Expand the prompt",
        required=False,
        help_text="Adds light, composition and making where it names none; every word of it stays.",
    )
    picture = forms.FileField(
        label="A picture for the style",
        required=False,
        help_text="PNG, JPEG or WebP, priced as a style reference. It passes the content filter and is kept "
        "for this organization.",
        widget=forms.ClearableFileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )
    reference = forms.ChoiceField(label="Or one that is here", required=False)
    strength = forms.TypedChoiceField(
        label="How strongly", coerce=float, required=False, choices=STRENGTHS
    )
    token = forms.UUIDField(widget=forms.HiddenInput())

    def __init__(
        self,
        *args: object,
        releases: list[ModelRelease],
        references: list[StyleReference],
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        kept = [
            (str(each.id), each.name or f"{each.created_at:%d %b %H:%M}") for each in references
        ]
        self.fields["reference"].choices = [("", "None"), *kept]  # type: ignore[attr-defined]
        self.fields["model"].choices = [(r.slug, r.name) for r in releases]  # type: ignore[attr-defined]
        sides = sorted({side for release in releases for side in sides_of(release)})
        self.fields["side"].choices = [(side, f"{side} x {side} px") for side in sides]  # type: ignore[attr-defined]


def sides_of(release: ModelRelease) -> list[int]:
    """Square sizes in px that the release draws, its default among them."""
    usual = {release.default_side, 128, 256, 384, 512, 768, 1024}
    return sorted(side for side in usual if release.min_side <= side <= release.max_side)


@organization_page(Permission.GENERATE)
@require_http_methods(["GET", "POST"])
def playground(request: HttpRequest, organization: Organization) -> HttpResponse:
    """The form, and beside it the job that it started last."""
    releases = active_releases()
    refusal: DomainError | None = None
    references = list(references_of(organization.id)[:MOST_SHOWN])
    if request.method == "POST":
        form = PlaygroundForm(request.POST, request.FILES, releases=releases, references=references)
        if form.is_valid():
            try:
                job = submit(request, organization, form)
            except DomainError as error:
                refusal = error
            else:
                place = reverse("playground", args=[organization.slug])
                return redirect(f"{place}?job={job}")
    else:
        form = PlaygroundForm(
            initial=start_values(request, organization, releases),
            releases=releases,
            references=references,
        )
    return render(
        request,
        "inference/playground.html",
        {
            "form": form,
            "ideas": IDEAS,
            "refusal": refusal,
            "balance": balance_of(organization.id),
            **job_shown(request, organization),
        },
        status=refusal.status if refusal else 200,
    )


def start_values(
    request: HttpRequest, organization: Organization, releases: list[ModelRelease]
) -> dict[str, object]:
    """The last job's choices, or the defaults."""
    slug = default_release_slug()
    release = next((each for each in releases if each.slug == slug), None)
    values: dict[str, object] = {
        "prompt": request.GET.get("prompt", "")[:MAX_PROMPT_CHARACTERS],
        "model": slug,
        "side": release.default_side if release else 256,
        "images": 1,
        "strength": DEFAULT_STRENGTH,
        "token": uuid4(),
    }
    detail = job_shown(request, organization).get("detail")
    if isinstance(detail, GenerationDetail):
        job = detail.summary
        known = {each.slug for each in releases}
        values |= {
            "prompt": job.prompt,
            "model": job.model if job.model in known else slug,
            "side": job.width,
            "images": job.images,
            "expand": bool(job.revised_prompt),
        }
        if job.style_references:
            values["reference"] = job.style_references[0]["id"]
    return values


def submit(request: HttpRequest, organization: Organization, form: PlaygroundForm) -> UUID:
    """Queue the job as this person. The form's token makes a double click one job.

    Raises what ``submit_generation`` raises.
    """
    chosen = form.cleaned_data
    submission = submit_generation(
        request=GenerationRequest(
            prompt=chosen["prompt"],
            model=chosen["model"],
            width=chosen["side"],
            height=chosen["side"],
            images=chosen["images"],
            seed=chosen["seed"],
            dialect="portal",
            expand_prompt=chosen["expand"],
            style=style_chosen(request, organization, form),
        ),
        submitter=Submitter(
            organization_id=organization.id,
            project_id=default_project(organization.id).id,
            api_key_id=None,
            actor=actor_of_person(request),
            member_id=request.user.pk,
        ),
        repetition=Repetition(key=f"playground:{chosen['token']}"),
        at=now(),
        enqueue=enqueue,
    )
    return submission.generation_id


def style_chosen(
    request: HttpRequest, organization: Organization, form: PlaygroundForm
) -> StyleWish:
    """The picture that was sent, taken in like any upload, or the reference that was chosen.

    Raises what ``upload_reference`` raises.
    """
    chosen = form.cleaned_data
    strength = chosen["strength"] or DEFAULT_STRENGTH
    if chosen["picture"] is not None:
        sent = upload_reference(
            data=chosen["picture"].read(MOST_BYTES + 1),
            name=chosen["picture"].name,
            organization_id=organization.id,
            actor=actor_of_person(request),
            at=now(),
        )
        return StyleWish((StyleChoice(sent.id, strength),))
    if chosen["reference"]:
        return StyleWish((StyleChoice(UUID(chosen["reference"]), strength),))
    return NO_STYLE


def job_shown(request: HttpRequest, organization: Organization) -> dict[str, object]:
    """The job that the address names, if it is this organization's, as its templates need it."""
    try:
        detail = generation_of(organization.id, UUID(request.GET.get("job", "")))
    except (ValueError, NotFound):
        return {}
    return shown(request, detail)


def shown(request: HttpRequest, detail: GenerationDetail) -> dict[str, object]:
    """A job with its code, and whether the reader may see its pictures."""
    return {
        "detail": detail,
        "may_see": Permission.VIEW_IMAGES in permissions_on(request),
        "curl": as_curl(detail),
        "python": as_python(detail),
    }


@organization_page()
@require_GET
def progress(request: HttpRequest, organization: Organization, generation_id: UUID) -> HttpResponse:
    """The fragment that shows a job's state and asks again while it is open."""
    try:
        detail = generation_of(organization.id, generation_id)
    except NotFound as error:
        raise Http404(error.detail) from error
    return render(request, "inference/_progress.html", shown(request, detail))


@organization_page(Permission.GENERATE)
@require_GET
def price(request: HttpRequest, organization: Organization) -> HttpResponse:  # noqa: ARG001
    """What the chosen request would cost, as a fragment."""
    releases = {release.slug: release for release in active_releases()}
    release = releases.get(request.GET.get("model", ""))
    context: dict[str, object] = {}
    try:
        side, images = int(request.GET.get("side", "")), int(request.GET.get("images", ""))
        if release is not None and 0 < images <= MOST_IMAGES:
            context["quote"] = quote_generation(
                release_slug=release.slug,
                variant=release.variant,
                width=side,
                height=side,
                steps=release.steps,
                images=images,
                style_references=1 if request.GET.get("reference") else 0,
                at=now(),
            )
    except (ValueError, PriceNotFound):
        pass
    return render(request, "inference/_price.html", context)
