"""Search and jump: pages, organizations, and what the other apps know about."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from governance.kernel.registry import Finding, search_sources
from governance.models import Organization
from governance.portal.access import visible_organization
from governance.portal.context import navigation_of
from governance.queries.organizations import organizations_named

LONGEST = 200


@login_required
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """The page of the search, and the fragment that the command palette shows."""
    words = request.GET.get("q", "").strip()[:LONGEST]
    place = place_of(request)
    found = pages(request, words) + organizations(request, words)
    if place is not None and words:
        for source in search_sources.all():
            found += source(place.id, place.slug, words)
    groups: dict[str, list[Finding]] = {}
    for finding in found:
        groups.setdefault(finding.group, []).append(finding)
    whole = request.headers.get("HX-Request") != "true"
    return render(
        request,
        "governance/search.html" if whole else "governance/_findings.html",
        {"groups": groups, "words": words, "place": place},
    )


def place_of(request: HttpRequest) -> Organization | None:
    """The organization that the reader searches in, if they may see it."""
    slug = request.GET.get("in", "")
    if not slug:
        return None
    try:
        place = visible_organization(request, slug)
    except Http404:
        return None
    request.organization = place  # type: ignore[attr-defined]
    return place


def pages(request: HttpRequest, words: str) -> list[Finding]:
    """Entries of the rail whose label holds the words."""
    return [
        Finding("Pages", entry["label"], entry["url"], entry["icon"])
        for entry in navigation_of(request)
        if words.lower() in entry["label"].lower()
    ]


def organizations(request: HttpRequest, words: str) -> list[Finding]:
    """The reader's organizations (staff: all) whose name or slug holds the words."""
    return [
        Finding(
            "Organizations",
            each.name,
            reverse("organization", args=[each.slug]),
            "building",
            each.slug,
        )
        for each in organizations_named(words, user=request.user)  # type: ignore[arg-type]
    ]
