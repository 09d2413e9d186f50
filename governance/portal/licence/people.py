"""The person at the keyboard, as operations want to know them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from governance.api.authentication import client_ip
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.models import User

View = Callable[..., HttpResponseBase]


def user_of(request: HttpRequest) -> User:
    """The signed-in person; the page is behind a login."""
    user = request.user
    assert isinstance(user, User), "this page needs a login"
    return user


def actor_of_session(request: HttpRequest) -> Actor:
    """The signed-in person as an actor for operations and the audit log."""
    user = user_of(request)
    return Actor(
        kind="user",
        id=str(user.id),
        label=user.email,
        ip=client_ip(request),
        request_id=getattr(request, "request_id", ""),
    )


def staff_page(view: View) -> View:
    """A page of the operator's people; for everybody else it does not exist."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not user_of(request).is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def done_or_told(
    request: HttpRequest, act: Callable[[], object], *, done: str, onward: str, **where: Any
) -> HttpResponse:
    """Do ``act`` and say so, or say in its own words why it was refused; then go ``onward``."""
    try:
        act()
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, done)
    onward_response: HttpResponse = redirect(onward, **where)
    return onward_response
