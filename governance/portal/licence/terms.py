"""The terms: accepted by each person for themselves; versions side by side for the operator."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now

from governance.models import Organization, TermsVersion
from governance.operations.acceptances import accept_terms
from governance.portal.access import organization_page
from governance.portal.licence.forms import PersonalAcceptanceForm
from governance.portal.licence.people import actor_of_session, staff_page, user_of
from governance.queries.acceptances import (
    has_accepted,
    last_accepted_by,
    organizations_accepting,
    organizations_missing,
)
from governance.queries.terms import as_terms, terms_in_force
from governance.queries.terms_difference import ClauseChange, terms_difference

SHOWN = 200


@organization_page()
def own_acceptance(request: HttpRequest, organization: Organization) -> HttpResponse:
    """What changed since this person accepted last, the text, and the acceptance."""
    version, user = terms_in_force(now()), user_of(request)
    if not organization.memberships.filter(user=user, deactivated_at=None).exists():
        raise Http404
    form = PersonalAcceptanceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        accept_terms(
            organization_id=organization.id,
            user=user,
            version=version,
            authority="",
            actor=actor_of_session(request),
            at=now(),
        )
        return redirect("organization", slug=organization.slug)
    earlier = last_accepted_by(organization, user.id, before=version)
    return render(
        request,
        "governance/licence/own_acceptance.html",
        {
            "form": form,
            "version": version,
            "accepted": has_accepted(organization.id, user.id, version),
            "earlier": earlier,
            "changes": changed(earlier, version),
        },
    )


@staff_page
def versions(request: HttpRequest) -> HttpResponse:
    """Every version with its hash and how many organizations accepted it."""
    rows = list(
        TermsVersion.objects.select_related("licence", "policy", "notice").order_by(
            "-effective_from", "-created_at"
        )
    )
    accepted = {version.id: organizations_accepting(version).count() for version in rows}
    context = {"rows": rows, "accepted": accepted, "in_force": terms_in_force(now())}
    return render(request, "governance/licence/terms_versions.html", context)


@staff_page
def version(request: HttpRequest, label: str) -> HttpResponse:
    """One version: its rules, what it changed clause by clause, who has not accepted it."""
    found = TermsVersion.objects.filter(label=label).first()
    if found is None:
        raise Http404
    before = (
        TermsVersion.objects.filter(created_at__lt=found.created_at)
        .select_related("licence", "policy", "notice")
        .order_by("-created_at")
        .first()
    )
    return render(
        request,
        "governance/licence/terms_version.html",
        {
            "version": found,
            "before": before,
            "changes": changed(before, found),
            "rules": as_terms(found).rules.values(),
            "missing": organizations_missing(found)[:SHOWN],
        },
    )


def changed(before: TermsVersion | None, after: TermsVersion) -> list[ClauseChange]:
    """The clauses and rules that differ; none where there is nothing to compare with."""
    if before is None:
        return []
    return [change for change in terms_difference(before, after) if change.change != "same"]
