"""Signing in and out, the way home, and the operator's first page."""

from typing import Any

from allauth.account.utils import perform_login
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST

from governance.api.authentication import client_ip
from governance.kernel.registry import operator_tiles
from governance.models import KillSwitch, TerminationNotice
from governance.operations.login_links import LoginLinkSpent, redeem_login_link
from governance.portal.licence.forms import ReasonForm
from governance.portal.licence.record_forms import NoticeForm
from governance.queries.audit import latest_entries
from governance.queries.compliance import ComplianceOverview, compliance_overview
from governance.queries.organizations import organizations_of_person
from governance.queries.terms import terms_in_force

SHOWN = 10
# As the seats bar: from here on the limit is near.
NEAR_LIMIT = 0.8


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """The reader's own place: the operator's home, or the first organization."""
    if request.user.is_staff:
        return redirect("operator")
    own = organizations_of_person(request.user)  # type: ignore[arg-type]
    if not own:
        return render(request, "governance/no_organization.html", status=200)
    return redirect("organization", slug=own[0].slug)


def sign_in(request: HttpRequest) -> HttpResponse:
    """How to get in; whoever is in already goes home."""
    if request.user.is_authenticated:
        return redirect("home")
    return render(request, "governance/sign_in.html", {"next": request.GET.get("next", "")})


@require_http_methods(["GET", "POST"])
def login_link(request: HttpRequest, token: str) -> HttpResponse:
    """A one-time link: looking at it spends nothing, the button does.

    Mail scanners and link previews fetch addresses; they must not use up a person's link.
    """
    if request.method == "GET":
        return render(request, "governance/login_link.html")
    try:
        user = redeem_login_link(
            token=token,
            actor_ip=client_ip(request),
            request_id=getattr(request, "request_id", ""),
            at=now(),
        )
    except LoginLinkSpent as error:
        page = render(request, "governance/login_link_spent.html", {"error": error})
        page.status_code = LoginLinkSpent.status
        return page
    onward = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(onward, allowed_hosts={request.get_host()})
    # The link proves the mailbox only; allauth asks for the second factor where there is one.
    target = onward if safe else reverse("home")
    response: HttpResponse = perform_login(request, user, redirect_url=target)
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("sign-in")


@login_required
def operator(request: HttpRequest) -> HttpResponse:
    """The operator's home: one sentence, figures with their evidence, the worst, the latest, the brakes."""
    if not request.user.is_staff:
        raise Http404
    at = now()
    overview = compliance_overview(at=at)
    notices = TerminationNotice.objects.filter(withdrawn_at=None).select_related("release")
    return render(
        request,
        "governance/operator.html",
        {
            "overview": overview,
            **nearest_figures(overview),
            "of_all": f"of {overview.total:,}",
            "tiles": [each for source in operator_tiles.all() for each in source(at)],
            "entries": latest_entries(None, limit=SHOWN),
            "notices": notices.order_by("ends_at"),
            "notice_form": NoticeForm(),
            "switch": KillSwitch.objects.get(id=1),
            "terms": terms_in_force(at),
            "reason_form": ReasonForm(),
        },
    )


def nearest_figures(overview: ComplianceOverview) -> dict[str, Any]:
    """The tile of the organization that is nearest to its seat line."""
    nearest = next(iter(overview.nearest_seats), None)
    if nearest is None:
        return {"nearest": None}
    seats = nearest.standing.seats
    return {
        "nearest": nearest,
        "nearest_limit": f"of {seats.limit}",
        "nearest_tone": "warn" if seats.used >= NEAR_LIMIT * seats.limit else "",
    }
