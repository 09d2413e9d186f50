"""API keys: made here, shown once, revoked with its consequence said before."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from governance.kernel.errors import NotFound
from governance.models import ApiKey, Organization, Project
from governance.operations.api_keys import ALL_SCOPES, create_api_key, revoke_api_key
from governance.portal.access import actor_of_person, organization_page, permissions_on
from governance.portal.code import FIRST_PROMPT, base_url, curl_of, python_of
from governance.queries.api_keys import key_of, key_state, keys_of, projects_of
from governance.queries.permissions import Permission
from governance.queries.releases import default_release_slug

SCOPES = {
    "images:write": "Make images",
    "images:read": "Read generations and images",
    "organization:read": "Read usage, members and keys",
    "organization:write": "Change members and keys",
}
LIFETIMES = [(30, "30 days"), (90, "90 days"), (365, "a year"), (0, "never")]
USUAL_DAYS = 90
# Seen by everybody: the person who makes a key decides who gets it.
STATE_CHIPS = {
    "active": ("good", "check", "Active"),
    "expired": ("warn", "clock", "Expired"),
    "revoked": ("", "stop", "Revoked"),
}


class KeyForm(forms.Form):
    """What a new key may do, and for how long."""

    name = forms.CharField(
        label="Name",
        max_length=100,
        help_text="Where it will live, for instance “Website, production”.",
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    project = forms.ModelChoiceField(
        label="Project", queryset=Project.objects.none(), empty_label=None
    )
    mode = forms.ChoiceField(
        label="Mode",
        choices=[("live", "Live: charged on delivery"), ("test", "Test: same gate, no money")],
    )
    days = forms.TypedChoiceField(
        label="Expires after", coerce=int, choices=LIFETIMES, initial=USUAL_DAYS
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=list(SCOPES.items()),
        initial=["images:write", "images:read"],
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        projects: Any = self.fields["project"]
        projects.queryset = organization.projects.order_by("created_at")
        projects.initial = next(iter(projects_of(organization.id)), None)


@organization_page()
def keys(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Every key with its last use; the way to a new one."""
    at = now()
    rows = [key_row(key, at) for key in keys_of(organization.id)]
    return render(
        request,
        "governance/keys.html",
        {"rows": rows, "may_manage": Permission.MANAGE_KEYS in permissions_on(request)},
    )


def key_row(key: ApiKey, at: datetime) -> dict[str, Any]:
    """A key as a row of the list."""
    state = key_state(key, at=at)
    return {"key": key, "state": state, "chip": STATE_CHIPS[state], "all_scopes": is_full(key)}


def is_full(key: ApiKey) -> bool:
    """Whether the key may do everything."""
    return set(key.scopes) >= set(ALL_SCOPES)


@organization_page(Permission.MANAGE_KEYS)
@never_cache
@require_http_methods(["GET", "POST"])
def new_key(request: HttpRequest, organization: Organization) -> HttpResponse:
    """The form; after it the key itself, this once, with code that already works."""
    form = KeyForm(request.POST or None, organization=organization)
    if request.method == "POST" and form.is_valid():
        chosen, at = form.cleaned_data, now()
        made = create_api_key(
            project=chosen["project"],
            name=chosen["name"],
            mode=chosen["mode"],
            scopes=tuple(chosen["scopes"]),
            expires_at=at + timedelta(days=chosen["days"]) if chosen["days"] else None,
            created_by_id=request.user.pk,
            actor=actor_of_person(request),
            at=at,
        )
        context = {"made": made, "code": code_with(made.secret), "base_url": base_url()}
        return render(request, "governance/key_made.html", context, status=201)
    return render(request, "governance/key_new.html", {"form": form})


def code_with(secret: str) -> dict[str, str]:
    """The first request with this key, in two languages."""
    return {
        "curl": curl_of({"prompt": FIRST_PROMPT}, key=secret),
        "python": python_of(default_release_slug(), FIRST_PROMPT, key=secret),
    }


@organization_page(Permission.MANAGE_KEYS)
@require_http_methods(["GET", "POST"])
def revoke_key(request: HttpRequest, organization: Organization, key_id: UUID) -> HttpResponse:
    """Say who would stop working; then revoke. It cannot be undone."""
    try:
        key = key_of(organization.id, key_id)
    except NotFound as error:
        raise Http404(error.detail) from error
    if request.method == "GET":
        return render(request, "governance/key_revoke.html", {"key": key})
    revoke_api_key(
        key_id=key.id, organization_id=organization.id, actor=actor_of_person(request), at=now()
    )
    messages.success(request, f"{key.name} is revoked. Requests with it now answer 401.")
    return redirect("keys", slug=organization.slug)
