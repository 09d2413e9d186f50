"""What every portal page needs: where the reader is and where they may go."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from governance.kernel.registry import navigation


def portal(request: HttpRequest) -> dict[str, Any]:
    """The organization of this page, if it has one, and the left rail."""
    organization = getattr(request, "organization", None)
    granted = getattr(request, "permissions", frozenset())
    entries = []
    for item in sorted(navigation.all(), key=lambda each: each.order):
        if item.per_organization and organization is None:
            continue
        if item.roles and not item.roles & {str(permission) for permission in granted}:
            continue
        if not item.per_organization and not getattr(request.user, "is_staff", False):
            continue
        url = reverse(item.url_name, args=[organization.slug] if item.per_organization else [])  # type: ignore[union-attr]
        entries.append(
            {
                "label": item.label,
                "icon": item.icon,
                "url": url,
                "current": is_current(request.path, url, organization),
            }
        )
    return {"organization": organization, "portal_navigation": entries}


def is_current(path: str, url: str, organization: Any) -> bool:
    """Whether the reader is on this entry's page or below it; home only when exactly there."""
    if organization is not None and url == f"/o/{organization.slug}/":
        return path == url
    return path.startswith(url)
