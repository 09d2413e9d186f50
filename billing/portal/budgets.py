"""The budgets page: alerts and locks, kept apart, with what the last periods say about a limit."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST

from billing.models import BudgetAction, BudgetPeriod, BudgetScope
from billing.operations.budgets import archive_budget, set_budget
from billing.portal.amounts import microdollars
from billing.portal.money import actor_of
from billing.queries.budgets import budgets_of, reached_on, subjects_of
from governance.kernel.errors import DomainError, InvalidRequest
from governance.kernel.money import format_usd
from governance.models import Organization
from governance.portal.access import organization_page, visible_organization
from governance.queries.permissions import Permission


@require_http_methods(["GET", "POST"])
@organization_page(Permission.VIEW_BILLING)
def budgets_page(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Show the rules; set one, which needs the permission to manage billing."""
    if request.method == "POST":
        visible_organization(request, organization.slug, Permission.MANAGE_BILLING)
        try:
            set_from_form(request, organization)
        except DomainError as error:
            messages.error(request, error.detail)
        return redirect("budgets", slug=organization.slug)
    lines = budgets_of(organization.id, at=now())
    return render(
        request,
        "billing/budgets.html",
        {
            "locks": [line for line in lines if line.budget.action == BudgetAction.LOCK],
            "alerts": [line for line in lines if line.budget.action == BudgetAction.ALERT],
            "subjects": [
                (f"{scope}:{subject}", name)
                for (scope, subject), name in subjects_of(organization.id).items()
            ],
            "may_set": Permission.MANAGE_BILLING in getattr(request, "permissions", ()),
        },
    )


def set_from_form(request: HttpRequest, organization: Organization) -> None:
    """Set the rule and tell what it would have meant. Raises InvalidRequest."""
    scope, _, subject = request.POST.get("subject", "").partition(":")
    known = {f"{s}:{i}" for s, i in subjects_of(organization.id)}
    period, action = request.POST.get("period", ""), request.POST.get("action", "")
    if f"{scope}:{subject}" not in known:
        raise InvalidRequest("Choose whose spending is counted.", param="subject")
    if period not in BudgetPeriod.values or action not in BudgetAction.values:
        raise InvalidRequest("Choose a period, and whether it alerts or locks.", param="period")
    budget = set_budget(
        organization_id=organization.id,
        scope=BudgetScope(scope),
        subject_id=UUID(subject),
        period=BudgetPeriod(period),
        action=BudgetAction(action),
        limit=microdollars(request.POST.get("limit", ""), "limit"),
        actor=actor_of(request),
        at=now(),
    )
    day = reached_on(
        organization.id,
        scope=scope,
        subject_id=UUID(subject),
        period=period,
        limit=budget.limit_microusd,
        at=now(),
    )
    meaning = (
        f"This limit would have been reached on {day:%-d %B}."
        if day
        else "It would not have been reached in the last 30 days."
    )
    messages.success(request, f"The limit is {format_usd(budget.limit_microusd)}. {meaning}")


@require_POST
@organization_page(Permission.MANAGE_BILLING)
def end_budget(request: HttpRequest, organization: Organization, budget_id: int) -> HttpResponse:
    """Take a rule out of force."""
    try:
        archive_budget(
            organization_id=organization.id,
            budget_id=budget_id,
            actor=actor_of(request),
            at=now(),
        )
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, "The limit is removed.")
    return redirect("budgets", slug=organization.slug)
