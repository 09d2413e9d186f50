"""Asking again who is there before something that opens doors: new secrets and what limits them.

Who has a password or a second factor proves it again (allauth). Who comes by login link alone opens a
fresh one: the mailbox is their factor. Revoking asks nothing: a stop must be quick.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.timezone import now
from django.views.decorators.http import require_POST

from governance.kernel.letters import Letter
from governance.kernel.tenancy import privileged
from governance.models import Organization, User
from governance.operations.login_links import create_login_link
from governance.operations.mail import post_letter

View = Callable[..., HttpResponseBase]
FRESH = timedelta(minutes=15)


def step_up(view: View) -> View:
    """``view(request, organization, ...)`` only for who has just proved who they are."""
    by_factor = reauthentication_required(view)

    @wraps(view)
    def asked_again(
        request: HttpRequest, organization: Organization, **kwargs: Any
    ) -> HttpResponseBase:
        user: User = request.user  # type: ignore[assignment]
        came = user.last_login
        # A person's factors belong to no organization.
        with privileged():
            flows = get_reauthentication_flows(user)
        if not flows and (came is None or now() - came > FRESH):
            context = {"next": _page_of(request)}
            return render(request, "governance/confirm_by_mail.html", context, status=403)
        # allauth reads the person's factors and then calls the view, which is privileged with it.
        with privileged():
            answer: HttpResponseBase = by_factor(request, organization, **kwargs)
        return answer

    return asked_again


def _page_of(request: HttpRequest) -> str:
    """The page to come back to: this one, or the one whose form was sent."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    came_from = urlsplit(request.headers.get("Referer", ""))
    return came_from.path if came_from.netloc == request.get_host() else "/"


@login_required
@require_POST
def send_confirmation(request: HttpRequest) -> HttpResponse:
    """Mail the reader a login link that leads back to where they were asked."""
    user: User = request.user  # type: ignore[assignment]
    onward = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(onward, allowed_hosts={request.get_host()}):
        onward = "/"
    token = create_login_link(user=user, at=now())
    address = f"{settings.PUBLIC_URL}/login/{token}/?{urlencode({'next': onward})}"
    post_letter(
        Letter(
            kind="confirmation",
            subject="Confirm that it is you",
            heading="Confirm that it is you",
            paragraphs=("Open this link in the same browser to go on where you were asked.",),
            action=("Go on", address),
            small_print="It works once. If you did not ask for it, somebody uses your session: sign out "
            "everywhere.",
        ),
        to=[user.email],
        at=now(),
    )
    messages.success(request, f"A link is on its way to {user.email}. Open it in this browser.")
    return redirect(onward)
