"""What every portal page needs: where the reader is and where they may go."""

from functools import cached_property
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.timezone import now

from governance.kernel.registry import NavigationItem, navigation
from governance.models import Organization, User
from governance.queries.acceptances import has_accepted
from governance.queries.organizations import organizations_of_person
from governance.queries.terms import terms_in_force


class Surroundings:
    """Read only when a template asks, and then once: a fragment of a page costs no query."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    @cached_property
    def organizations(self) -> list[Organization]:
        """Where the reader is a member."""
        user = getattr(self.request, "user", None)
        return organizations_of_person(user) if user and user.is_authenticated else []

    @cached_property
    def terms_to_accept(self) -> bool:
        """Whether the reader, a member here, has not accepted the terms in force for themselves."""
        organization: Organization | None = getattr(self.request, "organization", None)
        user = getattr(self.request, "user", None)
        if organization is None or not isinstance(user, User):
            return False
        if getattr(self.request, "role", None) is None:
            return False
        return not has_accepted(organization.id, user.id, terms_in_force(now()))


def portal(request: HttpRequest) -> dict[str, Any]:
    """The organization of this page, if it has one, the left rail, the reader's organizations."""
    surroundings = Surroundings(request)
    return {
        "organization": getattr(request, "organization", None),
        "portal_navigation": navigation_of(request),
        "terms_to_accept": lambda: surroundings.terms_to_accept,
        "own_organizations": lambda: surroundings.organizations,
    }


def navigation_of(request: HttpRequest) -> list[dict[str, Any]]:
    """The entries of the left rail for this reader on this page, in order."""
    organization: Organization | None = getattr(request, "organization", None)
    entries: list[dict[str, Any]] = []
    for item in sorted(navigation.all(), key=lambda each: each.order):
        if is_offered(item, request, organization):
            slug = [organization.slug] if item.per_organization and organization else []
            url = reverse(item.url_name, args=slug)
            entries.append({"label": item.label, "icon": item.icon, "url": url})
    # The longest address that begins the present one: a home does not claim what lies below it.
    here = [entry["url"] for entry in entries if request.path.startswith(entry["url"])]
    current = max(here, key=len, default="")
    homes = {"/operator/"} | ({f"/o/{organization.slug}/"} if organization else set())
    if current in homes and request.path != current:
        current = ""
    return [{**entry, "current": entry["url"] == current} for entry in entries]


def is_offered(
    item: NavigationItem, request: HttpRequest, organization: Organization | None
) -> bool:
    """Whether this reader sees the entry here: rights inside an organization, staff outside."""
    if not item.per_organization:
        return bool(getattr(getattr(request, "user", None), "is_staff", False))
    granted: frozenset[object] = getattr(request, "permissions", frozenset())
    allowed = not item.roles or bool(item.roles & {str(permission) for permission in granted})
    return organization is not None and allowed
