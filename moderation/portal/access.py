"""Who may open moderation's own pages: the operator's people, and reviewers among them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponseBase

from governance.kernel.actors import Actor
from governance.models import User
from moderation.queries.cases import reviewer_of

View = Callable[..., HttpResponseBase]


def person_on(request: HttpRequest) -> User:
    """The signed-in person of a page that asked for one."""
    assert isinstance(request.user, User)
    return request.user


def actor_on(request: HttpRequest) -> Actor:
    """The signed-in person as an actor for operations and the audit log."""
    user = person_on(request)
    return Actor(
        kind="user",
        id=str(user.id),
        label=user.email,
        ip=request.META.get("REMOTE_ADDR") or None,
        request_id=getattr(request, "request_id", ""),
    )


def staff_page(view: View) -> View:
    """A page of the operator's people; for everybody else there is none."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if not person_on(request).is_staff:
            raise Http404
        return view(request, **kwargs)

    return guarded


def reviewer_page(view: View) -> View:
    """A page of reviewers; the operator's other people get a 404 as well."""

    @staff_page
    @wraps(view)
    def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        if reviewer_of(person_on(request).id) is None:
            raise Http404
        return view(request, **kwargs)

    return guarded
