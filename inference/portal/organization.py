"""An organization at a glance."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.timezone import now

from billing.queries.balances import Balance, balance_of
from governance.licensing.standing import Standing
from governance.models import Organization
from governance.portal.access import organization_page, permissions_on
from governance.portal.code import FIRST_PROMPT, base_url, curl_of, python_of
from governance.queries.permissions import Permission
from governance.queries.releases import default_release_slug
from governance.queries.standing import standing_of
from inference.portal.masking import masked_rows
from inference.queries.generations import generations_of

RECENT = 6


@organization_page()
def organization_home(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Standing, balance, seats, the last pictures, and how to make the next one."""
    standing = standing_of(organization.id, at=now())
    balance = balance_of(organization.id)
    recent = masked_rows(request, generations_of(organization.id, limit=RECENT).rows)
    return render(
        request,
        "inference/organization.html",
        {
            "standing": standing,
            "seats_free": max(standing.seats.limit - standing.seats.used, 0),
            "seats_label": f"{standing.seats.used} of {standing.seats.limit} seats used",
            "balance": balance,
            "recent": recent,
            "may_see": Permission.VIEW_IMAGES in permissions_on(request),
            "next_action": next_action(standing, balance, made_any=bool(recent), request=request),
            **quick_start(),
        },
    )


@dataclass(frozen=True)
class NextAction:
    """The one thing to do now; without an address the text alone says how things are."""

    text: str
    label: str = ""
    url: str = ""
    icon: str = "next"


def next_action(
    standing: Standing, balance: Balance, *, made_any: bool, request: HttpRequest
) -> NextAction:
    """What stops the organization first, else its next step."""
    playground = reverse("playground", args=[request.organization.slug])  # type: ignore[attr-defined]
    may_generate = Permission.GENERATE in permissions_on(request)
    if not standing.may_generate:
        return NextAction("Generation is stopped. What to do stands below.")
    if balance.available <= 0:
        return NextAction("The balance is used up: requests answer 402 until it is topped up.")
    if not made_any:
        words = "Everything is ready for the first picture."
        return (
            NextAction(words, "Make the first picture", playground, "spark")
            if may_generate
            else NextAction(words)
        )
    words = "Everything works: requests are screened, counted and charged on delivery."
    return (
        NextAction(words, "Make a picture", playground, "spark")
        if may_generate
        else NextAction(words)
    )


def quick_start() -> dict[str, str]:
    """Code that works once the reader's key is put in."""
    model = default_release_slug()
    return {
        "base_url": base_url(),
        "curl": curl_of({"prompt": FIRST_PROMPT}),
        "python": python_of(model, FIRST_PROMPT),
    }
