"""API keys: made here, shown once, revoked with its consequence said before."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from governance.kernel.errors import InvalidRequest, NotFound
from governance.kernel.money import MICRODOLLARS_PER_USD
from governance.kernel.registry import KeySpending, key_budgets
from governance.models import ApiKey, Organization, Project
from governance.operations.api_keys import (
    ALL_SCOPES,
    create_api_key,
    network_list,
    revoke_api_key,
)
from governance.portal.access import actor_of_person, organization_page, permissions_on
from governance.portal.code import FIRST_PROMPT, base_url, curl_of, python_of
from governance.portal.step_up import step_up
from governance.queries.api_keys import (
    calls_by_key,
    key_of,
    key_state,
    keys_of,
    projects_of,
    users_of_key,
)
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
    "leaked": ("bad", "warning", "Leaked, revoked"),
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
    networks = forms.CharField(
        label="Only from these networks",
        required=False,
        help_text="One a line: 203.0.113.0/24 or a single address. Empty: from anywhere.",
        widget=forms.Textarea(attrs={"class": "input mono", "rows": 2}),
    )
    budget = forms.DecimalField(
        label="At most a month, USD",
        required=False,
        min_value=0,
        max_value=Decimal(1_000_000_000),
        decimal_places=6,
        widget=forms.NumberInput(attrs={"class": "input", "step": "0.01"}),
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        choices=list(SCOPES.items()),
        initial=["images:write", "images:read"],
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(
        self,
        *args: Any,
        organization: Organization,
        granted: frozenset[Permission],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        scopes: Any = self.fields["scopes"]
        scopes.choices = [
            (scope, word) for scope, word in SCOPES.items() if may_hand_out([scope], granted)
        ]
        projects: Any = self.fields["project"]
        projects.queryset = organization.projects.order_by("created_at")
        projects.initial = next(iter(projects_of(organization.id)), None)

    def clean_networks(self) -> list[str]:
        """Networks, each once."""
        return networks_of(self.cleaned_data["networks"])


def may_hand_out(scopes: Iterable[str], granted: frozenset[Permission]) -> bool:
    """Whether a person may make or see a secret with these scopes: none that does more than they may."""
    administers = any(scope.startswith("organization:") for scope in scopes)
    return not administers or Permission.MANAGE_MEMBERS in granted


def networks_of(text: str) -> list[str]:
    """The networks of a pasted list. Raises ValidationError."""
    try:
        return network_list(text.replace(",", "\n").split())
    except InvalidRequest as error:
        raise forms.ValidationError(error.detail) from error


@organization_page()
def keys(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Every key with its budget and last use; the way to a new one."""
    at = now()
    calls, budgets = calls_by_key(organization.id, at=at), budgets_by_key(organization, at)
    rows = [
        {
            **key_row(key, at),
            "calls": calls.get(key.id, 0),
            "budget": budgets.get(key.id),
            "may_change": may_hand_out(key.scopes, permissions_on(request)),
        }
        for key in keys_of(organization.id)
    ]
    return render(
        request,
        "governance/keys.html",
        {"rows": rows, "may_manage": Permission.MANAGE_KEYS in permissions_on(request)},
    )


def key_row(key: ApiKey, at: datetime) -> dict[str, Any]:
    """A key as a row of the list."""
    state = key_state(key, at=at)
    chip = STATE_CHIPS["leaked" if key.revoked_reason == "leaked" else state]
    return {"key": key, "state": state, "chip": chip, "all_scopes": is_full(key)}


def is_full(key: ApiKey) -> bool:
    """Whether the key may do everything."""
    return set(key.scopes) >= set(ALL_SCOPES)


def budgets_by_key(organization: Organization, at: datetime) -> dict[UUID, KeySpending]:
    """What each key with a budget may spend and has spent; empty where nothing keeps money."""
    found: dict[UUID, KeySpending] = {}
    for source in key_budgets.all():
        found |= source.spending(organization.id, at)
    return found


@organization_page(Permission.MANAGE_KEYS)
@step_up
@never_cache
@require_http_methods(["GET", "POST"])
def new_key(request: HttpRequest, organization: Organization) -> HttpResponse:
    """The form; after it the key itself, this once, with code that already works."""
    form = KeyForm(request.POST or None, organization=organization, granted=permissions_on(request))
    if request.method == "POST" and form.is_valid():
        chosen, at = form.cleaned_data, now()
        made = create_api_key(
            project=chosen["project"],
            name=chosen["name"],
            mode=chosen["mode"],
            scopes=tuple(chosen["scopes"]),
            expires_at=at + timedelta(days=chosen["days"]) if chosen["days"] else None,
            allowed_networks=chosen["networks"],
            created_by_id=request.user.pk,
            actor=actor_of_person(request),
            at=at,
        )
        if chosen["budget"] is not None:
            set_key_budget(request, made.key, chosen["budget"], at)
        return shown_once(request, made.key, made.secret)
    return render(request, "governance/key_new.html", {"form": form})


def set_key_budget(
    request: HttpRequest, key: ApiKey, dollars: Decimal | None, at: datetime
) -> None:
    """The key's limit a month, by whoever keeps money here."""
    limit = None if dollars is None else int(dollars * MICRODOLLARS_PER_USD)
    for keeper in key_budgets.all():
        keeper.set_limit(key.organization_id, key.id, limit, actor_of_person(request), at)


def shown_once(
    request: HttpRequest, key: ApiKey, secret: str, grace: timedelta | None = None
) -> HttpResponse:
    """The page with the secret; the browser is told to forget it."""
    context = {
        "key": key,
        "secret": secret,
        "code": code_with(secret),
        "base_url": base_url(),
        "old_works_until": now() + grace if grace else None,
        "is_rotation": grace is not None,
    }
    return render(request, "governance/key_made.html", context, status=201)


def code_with(secret: str) -> dict[str, str]:
    """The first request with this key, in two languages."""
    return {
        "curl": curl_of({"prompt": FIRST_PROMPT}, key=secret),
        "python": python_of(default_release_slug(), FIRST_PROMPT, key=secret),
    }


def own_key(organization: Organization, key_id: UUID) -> ApiKey:
    """The key of this organization. Raises Http404."""
    try:
        return key_of(organization.id, key_id)
    except NotFound as error:
        raise Http404(error.detail) from error


def key_to_change(request: HttpRequest, organization: Organization, key_id: UUID) -> ApiKey:
    """The key, if this person may do all that it may. Raises Http404."""
    key = own_key(organization, key_id)
    if not may_hand_out(key.scopes, permissions_on(request)):
        raise Http404
    return key


@organization_page(Permission.MANAGE_KEYS)
@require_http_methods(["GET", "POST"])
def revoke_key(request: HttpRequest, organization: Organization, key_id: UUID) -> HttpResponse:
    """Say who would stop working; then revoke. It cannot be undone."""
    key = own_key(organization, key_id)
    if request.method == "GET":
        users = users_of_key(key.id, at=now())
        return render(request, "governance/key_revoke.html", {"key": key, "users": users})
    revoke_api_key(
        key_id=key.id, organization_id=organization.id, actor=actor_of_person(request), at=now()
    )
    messages.success(request, f"{key.name} is revoked. Requests with it now answer 401.")
    return redirect("keys", slug=organization.slug)
