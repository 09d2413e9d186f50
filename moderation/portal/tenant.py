"""A tenant's own decisions with reasons in plain words, and the appeal."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_POST

from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import DomainError
from governance.models import Organization
from governance.portal.access import organization_page, permissions_on
from governance.queries.permissions import Permission, permissions_of
from moderation.models import Appeal
from moderation.operations.appeals import file_appeal, report_image
from moderation.operations.removals import delivered_image
from moderation.portal.access import actor_on, person_on
from moderation.queries.decisions import (
    decision_of,
    decisions_of_job,
    released_here,
    withheld_decisions,
)
from moderation.queries.policies import active_bundle


@require_GET
@organization_page()
def decisions(request: HttpRequest, organization: Organization) -> HttpResponse:
    """What the content filter withheld, newest first."""
    context = {"decisions": withheld_decisions(organization.id), "items": active_bundle().items}
    return render(request, "moderation/decisions.html", context)


@require_GET
@organization_page()
def decision_page(
    request: HttpRequest, organization: Organization, decision_id: UUID
) -> HttpResponse:
    """One decision: what, which clause, by whom or what, and how to appeal."""
    decision = decision_of(decision_id, organization_id=organization.id)
    if decision is None:
        raise Http404
    lines = decisions_of_job(decision.job_id, organization_id=organization.id)
    context = {
        "decision": decision,
        "lines": [line for line in lines if line.decision_id == decision.id],
        "item": active_bundle().items.get(decision.item),
        "appeal": Appeal.objects.filter(decision=decision).first(),
        "may_appeal": Permission.GENERATE in permissions_on(request),
    }
    return render(request, "moderation/decision.html", context)


@require_POST
@organization_page(Permission.GENERATE)
def appeal(request: HttpRequest, organization: Organization, decision_id: UUID) -> HttpResponse:
    """File the appeal."""
    try:
        file_appeal(
            decision_id=decision_id,
            organization_id=organization.id,
            statement=request.POST.get("statement", ""),
            actor=actor_on(request),
            at=now(),
        )
    except DomainError as refusal:
        messages.error(request, refusal.detail)
    else:
        messages.success(request, "Your appeal is filed. Another person will look at it.")
    return redirect("moderation-decision", slug=organization.slug, decision_id=decision_id)


@organization_page()
def report(
    request: HttpRequest, organization: Organization, job_id: UUID, index: int
) -> HttpResponse:
    """Any member reports one of their organization's delivered images."""
    if not released_here(job_id, index, organization_id=organization.id):
        raise Http404
    data = delivered_image(job_id, index)
    if data is None:
        raise Http404
    item, statement = request.POST.get("item", ""), request.POST.get("statement", "").strip()
    items = active_bundle().items
    if request.method == "POST" and item in items and statement:
        report_image(
            job_id=job_id,
            index=index,
            sha256=sha256_hex(data),
            organization_id=organization.id,
            item=item,
            statement=statement,
            contact=person_on(request).email,
            actor=actor_on(request),
            at=now(),
        )
        messages.success(request, "Thank you. A person will look at it.")
        return redirect("generation-page", slug=organization.slug, generation_id=job_id)
    if request.method == "POST":
        messages.error(request, "Choose an item and say what is wrong with the image.")
    context = {
        "job_id": job_id,
        "index": index,
        "items": [each for each in items.values() if each.key.isdecimal()],
        "statement": statement,
    }
    return render(request, "moderation/report.html", context)


@require_GET
@login_required
def appeal_address(request: HttpRequest, decision_id: UUID) -> HttpResponse:
    """The address in every refusal: leads a member to the decision's page in their organization."""
    decision = decision_of(decision_id)
    if decision is None:
        raise Http404
    if Permission.VIEW not in permissions_of(person_on(request), decision.organization_id):
        raise Http404
    organization = Organization.objects.get(id=decision.organization_id)
    return redirect("moderation-decision", slug=organization.slug, decision_id=decision_id)
