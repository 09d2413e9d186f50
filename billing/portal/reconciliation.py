"""Reconciliation for the operator: differences with their age, and corrections that two people make."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_POST

from billing.operations.adjustments import (
    approve_adjustment,
    decline_adjustment,
    request_adjustment,
)
from billing.portal.access import staff_page
from billing.portal.amounts import microdollars
from billing.queries.reconciliation import (
    adjustments,
    ages_of,
    gone_differences,
    last_runs,
    open_differences,
)
from billing.tasks import reconcile_all
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.money import format_usd
from governance.models import Organization
from governance.portal.access import actor_of_person

SHOWN = 100


@require_GET
@staff_page
def reconciliation_page(request: HttpRequest) -> HttpResponse:
    """What was compared, what does not agree and for how long, what waits for a second person."""
    differences = open_differences(now())
    context = {
        "runs": last_runs(),
        "differences": differences[:SHOWN],
        "ages": ages_of(differences),
        "hidden": len(differences) > SHOWN,
        "gone": gone_differences(),
        "waiting": adjustments(waiting=True),
        "decided": adjustments(waiting=False),
        "reader": str(request.user.pk),
    }
    return render(request, "billing/reconciliation.html", context)


@require_POST
@staff_page
def compare_now(request: HttpRequest) -> HttpResponse:
    """Ask the workers to compare everything."""
    reconcile_all.delay()
    messages.success(request, "The comparison has begun. Its result appears here.")
    return redirect("reconciliation")


@require_POST
@staff_page
def ask_adjustment(request: HttpRequest) -> HttpResponse:
    """Ask for a correction; somebody else has to approve it."""
    try:
        organization = Organization.objects.filter(slug=request.POST.get("organization")).first()
        if organization is None:
            raise NotFound(
                "No organization has this short name. It is the part after /o/ in its address."
            )
        asked = request_adjustment(
            organization_id=organization.id,
            amount=microdollars(request.POST.get("amount", ""), "amount"),
            reason=request.POST.get("reason", ""),
            actor=actor_of_person(request),
            at=now(),
        )
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(
            request,
            f"{format_usd(asked.amount)} for {organization.name} waits for a second person.",
        )
    return redirect("reconciliation")


@require_POST
@staff_page
def decide_adjustment(request: HttpRequest, adjustment_id: UUID) -> HttpResponse:
    """Approve what another person asked for, or decline it."""
    decide = approve_adjustment if request.POST.get("decision") == "approve" else decline_adjustment
    try:
        decide(adjustment_id=adjustment_id, actor=actor_of_person(request), at=now())
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        words = "booked" if decide is approve_adjustment else "declined"
        messages.success(request, f"The adjustment is {words}.")
    return redirect("reconciliation")
