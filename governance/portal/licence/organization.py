"""The organization's licence page: standing, evidence, history."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now

from governance.models import Organization
from governance.portal.access import organization_page
from governance.portal.charts import limit_chart
from governance.portal.licence.people import user_of
from governance.queries.acceptances import signatures
from governance.queries.evidence import licence_evidence
from governance.queries.permissions import Permission
from governance.queries.seats import seat_history
from governance.queries.standing import standing_of
from governance.queries.terms import terms_in_force


@organization_page()
def licence(request: HttpRequest, organization: Organization) -> HttpResponse:
    """How the organization stands, by which rule of which version, on which evidence."""
    at = now()
    terms = terms_in_force(at)
    standing = standing_of(organization.id, at=at, version=terms)
    history = seat_history(organization, at=at)
    days = [(f"{line.day:%-d %b}", line.used) for line in history]
    granted = request.permissions  # type: ignore[attr-defined]
    return render(
        request,
        "governance/licence/organization.html",
        {
            "standing": standing,
            "terms": terms,
            "signatures": signatures(organization, terms),
            "evidence": licence_evidence(organization, at=at),
            "chart": limit_chart(days, limit=standing.seats.limit) if len(days) > 1 else None,
            "may_open": Permission.SIGN in granted or user_of(request).is_staff,
            "may_sign": Permission.SIGN in granted,
            "seats_label": f"{standing.seats.used} of {standing.seats.limit} seats are used",
        },
    )
