"""Signing in and out, the way home, and the operator's first page."""

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
from governance.operations.login_links import LoginLinkSpent, redeem_login_link
from governance.queries.audit import latest_entries
from governance.queries.compliance import compliance_overview
from governance.queries.organizations import organizations_of_person

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
    """The operator's home: one sentence, the figures with their evidence, the worst, the latest."""
    if not request.user.is_staff:
        raise Http404
    at = now()
    overview = compliance_overview(at=at)
    nearest = next(iter(overview.nearest_seats), None)
    seats = nearest.standing.seats if nearest else None
    return render(
        request,
        "governance/operator.html",
        {
            "overview": overview,
            "worst": overview.rows[:SHOWN],
            "nearest": nearest,
            "nearest_limit": f"of {seats.limit}" if seats else "",
            "nearest_tone": "warn" if seats and seats.used >= NEAR_LIMIT * seats.limit else "",
            "of_all": f"of {len(overview.rows)}",
            "tiles": [each for source in operator_tiles.all() for each in source(at)],
            "entries": latest_entries(None, limit=SHOWN),
        },
    )
