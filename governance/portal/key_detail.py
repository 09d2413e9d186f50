"""One key: who uses it, what limits it, and its rotation."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from governance.kernel.money import MICRODOLLARS_PER_USD
from governance.models import Organization
from governance.operations.api_keys import restrict_api_key
from governance.operations.key_rotation import KeyNotRotatable, end_grace, rotate_api_key
from governance.portal.access import actor_of_person, organization_page, permissions_on
from governance.portal.keys import (
    budgets_by_key,
    key_row,
    key_to_change,
    may_hand_out,
    networks_of,
    own_key,
    set_key_budget,
    shown_once,
)
from governance.portal.step_up import step_up
from governance.queries.api_keys import secrets_in_grace, users_of_key
from governance.queries.permissions import Permission

GRACES = [(0, "at once"), (1, "after an hour"), (24, "after a day"), (168, "after a week")]
USUAL_GRACE_H = 24
SHOWN_USERS = 20


class LimitsForm(forms.Form):
    """What limits a key: where it may be used from, and what it may spend."""

    networks = forms.CharField(
        label="Only from these networks",
        required=False,
        help_text="One a line: 203.0.113.0/24 or a single address. Empty: from anywhere.",
        widget=forms.Textarea(attrs={"class": "input mono", "rows": 3}),
    )
    budget = forms.DecimalField(
        label="At most a month, USD",
        required=False,
        min_value=0,
        max_value=Decimal(1_000_000_000),
        decimal_places=6,
        help_text="Requests beyond it answer 429. Empty: only the limits of the organization.",
        widget=forms.NumberInput(attrs={"class": "input", "step": "0.01"}),
    )

    def clean_networks(self) -> list[str]:
        """Networks, each once."""
        return networks_of(self.cleaned_data["networks"])


class RotationForm(forms.Form):
    """When the old secret stops."""

    hours = forms.TypedChoiceField(
        label="The old secret stops", coerce=int, choices=GRACES, initial=USUAL_GRACE_H
    )


@organization_page()
def key_detail(request: HttpRequest, organization: Organization, key_id: UUID) -> HttpResponse:
    """The key with its users of the last seven days and its limits."""
    return detail_page(request, organization, key_id)


def detail_page(
    request: HttpRequest,
    organization: Organization,
    key_id: UUID,
    form: LimitsForm | None = None,
) -> HttpResponse:
    """The page, with the limits as they are or as they were sent."""
    at = now()
    key = own_key(organization, key_id)
    users, budget = users_of_key(key.id, at=at), budgets_by_key(organization, at).get(key.id)
    initial: dict[str, Any] = {"networks": "\n".join(key.allowed_networks)}
    if budget is not None:
        initial["budget"] = Decimal(budget.limit) / MICRODOLLARS_PER_USD
    context = {
        **key_row(key, at),
        "users": users,
        "shown_users": users.users[:SHOWN_USERS],
        "budget": budget,
        "grace": secrets_in_grace(key.id, at=at),
        "form": form or LimitsForm(initial=initial),
        "may_manage": Permission.MANAGE_KEYS in permissions_on(request),
        "may_change": Permission.MANAGE_KEYS in permissions_on(request)
        and may_hand_out(key.scopes, permissions_on(request)),
    }
    return render(request, "governance/key_detail.html", context, status=422 if form else 200)


@organization_page(Permission.MANAGE_KEYS)
@step_up
@require_POST
def limit_key(request: HttpRequest, organization: Organization, key_id: UUID) -> HttpResponse:
    """Set networks and budget together, or neither."""
    key, form = key_to_change(request, organization, key_id), LimitsForm(request.POST)
    if not form.is_valid():
        return detail_page(request, organization, key_id, form)
    with transaction.atomic():
        restrict_api_key(
            key_id=key.id,
            organization_id=organization.id,
            allowed_networks=form.cleaned_data["networks"],
            actor=actor_of_person(request),
        )
        set_key_budget(request, key, form.cleaned_data["budget"], now())
    messages.success(request, f"The limits of {key.name} are set.")
    return redirect("key", slug=organization.slug, key_id=key.id)


@organization_page(Permission.MANAGE_KEYS)
@step_up
@never_cache
@require_http_methods(["GET", "POST"])
def rotate_key(request: HttpRequest, organization: Organization, key_id: UUID) -> HttpResponse:
    """Say who uses the secret; then a new one under the same id, shown once."""
    key, form = key_to_change(request, organization, key_id), RotationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        grace = timedelta(hours=form.cleaned_data["hours"])
        try:
            made = rotate_api_key(
                key_id=key.id,
                organization_id=organization.id,
                grace=grace,
                actor=actor_of_person(request),
                at=now(),
            )
        except KeyNotRotatable as refusal:
            messages.error(request, refusal.detail)
            return redirect("key", slug=organization.slug, key_id=key.id)
        return shown_once(request, made.key, made.secret, grace)
    users = users_of_key(key.id, at=now())
    context = {"key": key, "form": form, "users": users, "shown_users": users.users[:SHOWN_USERS]}
    return render(request, "governance/key_rotate.html", context)


@organization_page(Permission.MANAGE_KEYS)
@require_POST
def stop_old_secrets(
    request: HttpRequest, organization: Organization, key_id: UUID
) -> HttpResponse:
    """Cut the grace short: every client has the new secret."""
    key = key_to_change(request, organization, key_id)
    end_grace(
        key_id=key.id, organization_id=organization.id, actor=actor_of_person(request), at=now()
    )
    messages.success(request, "Only the newest secret works now.")
    return redirect("key", slug=organization.slug, key_id=key.id)
