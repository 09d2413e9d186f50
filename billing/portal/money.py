"""The billing page: balance, runway, top-ups, automatic top-up, refunds, ledger, statements."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_POST

from billing.gateways.configured import configured_gateway
from billing.gateways.protocol import GatewayUnavailable
from billing.models import TopUp
from billing.operations.automatic_top_up import set_automatic_top_up, switch_off_automatic_top_up
from billing.operations.lots import settle_lots
from billing.operations.refunds import request_refund
from billing.operations.top_ups import PRESETS, refresh_top_up, start_top_up
from billing.portal.amounts import microdollars
from billing.queries.accounts import (
    last_reconciliation,
    lots_of,
    payments_of,
    profile_of,
    runway_of,
    statements_of,
)
from billing.queries.balances import balance_of
from billing.queries.journal import ledger_of
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.kernel.tenancy import privileged
from governance.models import Organization
from governance.portal.access import organization_page
from governance.queries.permissions import Permission


def actor_of(request: HttpRequest) -> Actor:
    """The reader as the one who acts."""
    user = request.user
    return Actor(
        kind="user",
        id=str(user.pk),
        label=getattr(user, "email", ""),
        ip=request.META.get("REMOTE_ADDR"),
        request_id=getattr(request, "request_id", ""),
    )


@require_GET
@organization_page(Permission.VIEW_BILLING)
def billing_page(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Everything about the organization's money. Coming back from a payment, it is looked at first."""
    at = now()
    bring_up_to_date(request, organization, at)
    balance = balance_of(organization.id)
    context: dict[str, Any] = {
        "balance": balance,
        "runway": runway_of(organization.id, balance.available, at=at),
        "presets": PRESETS,
        "profile": profile_of(organization.id),
        "payments": payments_of(organization.id),
        "lots": lots_of(organization.id),
        "ledger": ledger_of(
            organization.id, cursor=request.GET.get("after"), posted=balance.posted
        ),
        "statements": statements_of(organization.id),
        "reconciled_at": last_reconciliation(),
        "may_pay": Permission.MANAGE_BILLING in getattr(request, "permissions", ()),
        "stand_in": not settings.STRIPE_SECRET_KEY,
    }
    return render(request, "billing/billing.html", context)


@privileged()
def bring_up_to_date(request: HttpRequest, organization: Organization, at: datetime) -> None:
    """A payment that the reader comes from, and what was spent of each lot: written before it is read."""
    look_at_payment(request, organization)
    settle_lots(organization_id=organization.id, at=at)


def look_at_payment(request: HttpRequest, organization: Organization) -> None:
    """The person is back from the payment page before the webhook: ask now, credit once."""
    try:
        top_up_id = UUID(request.GET.get("top_up", ""))
    except ValueError:
        return
    found = TopUp.objects.filter(id=top_up_id, organization_id=organization.id).first()
    if found is None:
        return
    try:
        refresh_top_up(
            top_up=found, gateway=configured_gateway(), actor=actor_of(request), at=now()
        )
    except GatewayUnavailable:
        messages.info(
            request, "The payment provider does not answer yet; this page will know soon."
        )


@require_POST
@organization_page(Permission.MANAGE_BILLING)
def top_up(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Open a payment page and send the reader there."""
    chosen = request.POST.get("amount", "")
    text = request.POST.get("other", "") if chosen in {"", "other"} else chosen
    try:
        started = start_top_up(
            organization_id=organization.id,
            amount=microdollars(text, "amount"),
            save_card=request.POST.get("save_card") == "on",
            return_url=settings.PUBLIC_URL + reverse("billing", args=[organization.slug]),
            actor=actor_of(request),
            at=now(),
            gateway=configured_gateway(),
        )
    except DomainError as error:
        messages.error(request, error.detail)
        return redirect("billing", slug=organization.slug)
    return redirect(started.checkout_url)


@require_POST
@organization_page(Permission.MANAGE_BILLING)
def automatic(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Set or switch off automatic top-up."""
    try:
        if request.POST.get("switch") == "off":
            switch_off_automatic_top_up(
                organization_id=organization.id,
                because="switched off by a person",
                actor=actor_of(request),
            )
            messages.success(request, "Automatic top-up is off.")
        else:
            set_automatic_top_up(
                organization_id=organization.id,
                threshold=microdollars(request.POST.get("threshold", ""), "threshold"),
                amount=microdollars(request.POST.get("amount", ""), "amount"),
                monthly_ceiling=microdollars(request.POST.get("ceiling", ""), "monthly_ceiling"),
                actor=actor_of(request),
            )
            messages.success(request, "Automatic top-up is on.")
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("billing", slug=organization.slug)


@require_POST
@organization_page(Permission.MANAGE_BILLING)
def refund(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Send unspent paid credit back to the card."""
    try:
        made = request_refund(
            organization_id=organization.id,
            top_up_id=UUID(request.POST.get("payment", str(UUID(int=0)))),
            amount=microdollars(request.POST.get("amount", ""), "amount"),
            reason=request.POST.get("reason", "") or "asked for on the billing page",
            actor=actor_of(request),
            at=now(),
            gateway=configured_gateway(),
        )
    except DomainError as error:
        messages.error(request, error.detail)
    except ValueError:
        messages.error(request, "There is no such payment.")
    else:
        messages.success(request, f"The refund is {made.state}.")
    return redirect("billing", slug=organization.slug)
