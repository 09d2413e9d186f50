"""From an e-mail address to the right way in: the organization's sign-on, or a code by mail."""

from typing import cast
from urllib.parse import urlencode

from allauth.account.views import RequestLoginCodeView
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.views.decorators.http import require_POST

from governance.operations.sign_on import login_path, provider_for_address


@require_POST
def go_on(request: HttpRequest) -> HttpResponseBase:
    """Where the address's domain has single sign-on in force, there; else a code goes out.

    Whether a person of this address exists is not told: allauth answers the same to both.
    """
    provider = provider_for_address(request.POST.get("email", ""), at=now())
    if provider is None:
        return cast("HttpResponseBase", RequestLoginCodeView.as_view()(request))
    onward = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(onward, allowed_hosts={request.get_host()})
    query = f"?{urlencode({'next': onward})}" if onward and safe else ""
    return redirect(f"{login_path(provider)}{query}")


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """allauth's own sign-in form asks for a password; ours is the one entrance."""
    query = f"?{request.META['QUERY_STRING']}" if request.META.get("QUERY_STRING") else ""
    return redirect(f"{settings.LOGIN_URL}{query}")


def no_such_page(_request: HttpRequest) -> HttpResponse:
    """Nobody signs up alone or takes another address: an unproven address would inherit invitations."""
    raise Http404
