"""Who may open which page: members their own organizations, staff all, strangers none."""

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.utils.timezone import now

from governance.api.authentication import client_ip
from governance.kernel.actors import Actor
from governance.kernel.errors import NotFound
from governance.kernel.tenancy import READING, present_tenant, reading_for
from governance.models import Organization
from governance.operations.activity import note_activity
from governance.queries.organizations import organization_by_slug
from governance.queries.permissions import Permission, permissions_as, role_in

View = Callable[..., HttpResponseBase]


def organization_page(permission: Permission = Permission.VIEW) -> Callable[[View], View]:
    """A page under /o/<slug>/: the view gets the organization, or the reader gets a 404.

    A missing permission is a 404 as well, so that nobody learns what exists.
    """

    def decorate(view: View) -> View:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
            organization = visible_organization(request, slug, permission)
            request.organization = organization  # type: ignore[attr-defined]
            with reading_for(tenant_read_by(request, organization)):
                response = view(request, organization, **kwargs)
                return kept_for(present_tenant(), response)

        return guarded

    return decorate


def tenant_read_by(request: HttpRequest, organization: Organization) -> UUID | None:
    """Whose rows this page may see: the organization's. Operators and forms are privileged: None."""
    is_operator = bool(getattr(request.user, "is_staff", False))
    return organization.id if request.method in READING and not is_operator else None


def kept_for(tenant: UUID | None, response: HttpResponseBase) -> HttpResponseBase:
    """``response``; rows that it reads while it is being sent are the tenant's as well."""
    if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
        parts = response.streaming_content
        assert isinstance(parts, Iterable), "pages stream from ordinary generators"
        response.streaming_content = sent_for(tenant, parts)
    return response


def sent_for(tenant: UUID | None, parts: Iterable[bytes]) -> Iterator[bytes]:
    """``parts``, each made within the tenant's view."""
    remaining = iter(parts)
    while True:
        with reading_for(tenant):
            part = next(remaining, None)
        if part is None:
            return
        yield part


def visible_organization(
    request: HttpRequest, slug: str, permission: Permission = Permission.VIEW
) -> Organization:
    """The organization, if this person has the permission there. Raises Http404."""
    try:
        organization = organization_by_slug(slug)
    except NotFound as error:
        raise Http404 from error
    role = role_in(request.user, organization.id)  # type: ignore[arg-type]
    granted = permissions_as(request.user, role)  # type: ignore[arg-type]
    if permission not in granted:
        raise Http404
    request.role = role  # type: ignore[attr-defined]
    request.permissions = granted  # type: ignore[attr-defined]
    if request.user.pk is not None:
        note_activity(organization_id=organization.id, user_id=request.user.pk, at=now())
    return organization


def permissions_on(request: HttpRequest) -> frozenset[Permission]:
    """What the reader may do in the organization of this page; set by ``visible_organization``."""
    granted: frozenset[Permission] = getattr(request, "permissions", frozenset())
    return granted


def actor_of_person(request: HttpRequest) -> Actor:
    """The signed-in person as an actor for operations and the audit log."""
    user = request.user
    return Actor(
        kind="user",
        id=str(user.pk),
        label=getattr(user, "email", ""),
        ip=client_ip(request),
        request_id=getattr(request, "request_id", ""),
    )
