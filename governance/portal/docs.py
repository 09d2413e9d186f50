"""The documentation for developers: quick starts, the reference, error codes, and /llms.txt.

Everything is served from here, nothing from another site. Open to everybody; who is signed in may have a
test key put into the examples.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from governance.openapi import description
from governance.operations.api_keys import create_api_key
from governance.portal.access import actor_of_person
from governance.portal.examples import operations_of, quick_starts
from governance.queries.organizations import default_project, organizations_of_person
from governance.queries.permissions import Permission, permissions_of
from governance.queries.problems import problem_page, problem_pages
from governance.queries.releases import default_release_slug

TEST_KEY_LIFE = timedelta(days=7)
TEST_SCOPES = ("images:write", "images:read")


def quick_start(request: HttpRequest) -> HttpResponse:
    """Base URL and key, nothing else, for the tools that people already have."""
    context = {
        "starts": quick_starts(default_release_slug()),
        "may_have_key": may_have_key(request),
    }
    return render(request, "governance/docs/quick_start.html", context)


def reference(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters, replies and a request that works."""
    context = {"groups": operations_of(description()), "may_have_key": may_have_key(request)}
    return render(request, "governance/docs/reference.html", context)


def openapi(_request: HttpRequest) -> JsonResponse:
    """The description itself, with this deployment's address in it."""
    return JsonResponse({**description(), "servers": [{"url": settings.PUBLIC_URL}]})


def problems(request: HttpRequest) -> HttpResponse:
    """Every error code."""
    return render(request, "governance/docs/problems.html", {"pages": problem_pages().values()})


def problem(request: HttpRequest, code: str) -> HttpResponse:
    """One error code: what it means and what to do. ``type`` of each problem leads here."""
    page = problem_page(code)
    if page is None:
        raise Http404
    return render(request, "governance/docs/problem.html", {"page": page})


def llms_txt(_request: HttpRequest) -> HttpResponse:
    """The API in a page for language models (llmstxt.org)."""
    groups = operations_of(description())
    lines = [
        "# Licet",
        "",
        (
            "> Images from Krea 2 over an API that OpenAI's clients speak unmodified. Base URL "
            f"{settings.PUBLIC_URL}/v1, `Authorization: Bearer <key>`."
        ),
        "",
        (
            "Money is in µUSD (1 USD = 1,000,000). Errors are application/problem+json with an OpenAI "
            "`error` object; `error.code` is stable. Only delivered images are charged. Test keys "
            "(lct_test_…) are free."
        ),
        "",
        "## Docs",
        "",
        f"- [Quick start]({settings.PUBLIC_URL}/docs/): Python, JavaScript, curl, Open WebUI, LangChain, n8n",
        f"- [OpenAPI 3.1]({settings.PUBLIC_URL}/docs/openapi.json)",
        f"- [Error codes]({settings.PUBLIC_URL}/problems/)",
        "",
        "## Operations",
        "",
        *(
            f"- `{operation['method']} {operation['path']}`: {operation['summary']}"
            for group in groups
            for operation in group["operations"]
        ),
        "",
    ]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


def may_have_key(request: HttpRequest) -> bool:
    """Whether the reader may make a key somewhere."""
    return home_of_key(request) is not None


def home_of_key(request: HttpRequest) -> Any:
    """The first organization in which the reader may make keys."""
    user: Any = request.user
    if not user.is_authenticated:
        return None
    return next(
        (
            organization
            for organization in organizations_of_person(user)
            if Permission.MANAGE_KEYS in permissions_of(user, organization.id)
        ),
        None,
    )


@login_required
@require_POST
@never_cache
def make_test_key(request: HttpRequest) -> JsonResponse:
    """A test key of a week for the examples: same gate, no money. The page keeps it, we do not."""
    organization = home_of_key(request)
    if organization is None:
        raise Http404
    at = now()
    made = create_api_key(
        project=default_project(organization.id),
        name="Examples in the docs",
        mode="test",
        scopes=TEST_SCOPES,
        expires_at=at + TEST_KEY_LIFE,
        created_by_id=request.user.pk,
        actor=actor_of_person(request),
        at=at,
    )
    return JsonResponse({"key": made.secret, "organization": organization.name}, status=201)
