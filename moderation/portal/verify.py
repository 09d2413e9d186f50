"""The public page that says whether a picture was made here; and where its people waive marking."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from governance.api.authentication import client_ip
from governance.kernel.errors import DomainError
from governance.models import User
from governance.queries.organizations import (
    organization_by_slug,
    organization_names,
    organizations_of_person,
)
from moderation.operations.intake import MOST_BYTES
from moderation.operations.verification import verify_image
from moderation.operations.visitor_rates import count_verification
from moderation.operations.waivers import LONGEST_DAYS, answer_waiver, end_waiver, propose_waiver
from moderation.portal.access import actor_on, person_on, staff_page
from moderation.queries.provenance import provenance_coverage, waivers

COVERAGE_DAYS = 30


@require_http_methods(["GET", "POST"])
def verify_page(request: HttpRequest) -> HttpResponse:
    """Drop a picture, learn where it comes from. Anybody may; nothing is stored."""
    context: dict[str, object] = {"most_mib": MOST_BYTES >> 20}
    status = 200
    if request.method == "POST":
        try:
            context |= _looked_at(request)
        except DomainError as refusal:
            context["refusal"], status = refusal, refusal.status
    if "HX-Request" in request.headers:
        # htmx swaps in only what is no error; without it the page keeps the true status.
        return render(request, "moderation/_verdict.html", context)
    return render(request, "moderation/verify.html", context, status=status)


def _looked_at(request: HttpRequest) -> dict[str, object]:
    person = request.user if isinstance(request.user, User) else None
    if person is None:
        count_verification(client_ip(request))
    own = organizations_of_person(person) if person else []
    sent = request.FILES.get("image")
    data = sent.read(MOST_BYTES + 1) if sent else b""
    found = verify_image(data=data, organizations=[each.id for each in own])
    slugs = {each.id: each.slug for each in own}
    slug = slugs.get(found.known.organization_id, "") if found.known else ""
    return {"found": found, "name": sent.name if sent else "", "slug": slug}


@require_GET
@staff_page
def provenance(request: HttpRequest) -> HttpResponse:
    """Coverage of the last month, and every waiver with its two people."""
    at, shown = now(), waivers()
    context = {
        "coverage": provenance_coverage(begins=at - timedelta(days=COVERAGE_DAYS), ends=at),
        "days": COVERAGE_DAYS,
        "waivers": shown,
        "names": organization_names(each.organization_id for each in shown),
        "longest": LONGEST_DAYS,
        "me": person_on(request).id,
        "now": at,
    }
    return render(request, "moderation/provenance.html", context)


@require_POST
@staff_page
def waiver_new(request: HttpRequest) -> HttpResponse:
    """Ask for a waiver: nothing changes until another person approves."""
    days = request.POST.get("days", "")
    return _done(
        request,
        "Written down. Another person must approve it.",
        lambda: propose_waiver(
            organization_id=_organization(request),
            reason=request.POST.get("reason", "")[:2000],
            days=int(days) if days.isdecimal() else 0,
            actor=actor_on(request),
            at=now(),
        ),
    )


@require_POST
@staff_page
def waiver_act(request: HttpRequest, waiver_id: UUID) -> HttpResponse:
    """Approve, decline or end a waiver."""
    act, actor, at = request.POST.get("act", ""), actor_on(request), now()
    if act == "end":
        return _done(
            request,
            "Every new image is marked again.",
            lambda: end_waiver(waiver_id=waiver_id, actor=actor, at=at),
        )
    approve = act == "approve"
    said = "Approved: images leave unmarked until the waiver ends." if approve else "Declined."
    return _done(
        request,
        said,
        lambda: answer_waiver(waiver_id=waiver_id, approve=approve, actor=actor, at=at),
    )


def _done(request: HttpRequest, said: str, act: Callable[[], object]) -> HttpResponse:
    try:
        act()
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, said)
    return redirect("moderation-provenance")


def _organization(request: HttpRequest) -> UUID | None:
    """The organization of this short name; none is the whole deployment. Raises NotFound."""
    slug = request.POST.get("organization", "").strip()
    return organization_by_slug(slug).id if slug else None
