"""The seats page: who holds one, who waits, who could give one back."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_GET, require_POST

from governance.kernel.errors import DomainError
from governance.models import Membership, Organization, Role
from governance.operations.end_users import reclaim_end_user_seats
from governance.operations.invitation_letters import invitation_link
from governance.operations.invitations import invite_by_list, withdraw_invitation
from governance.operations.members import reclaim_seats
from governance.portal.access import organization_page
from governance.portal.charts import limit_chart
from governance.portal.licence.forms import InvitationForm
from governance.portal.licence.members import require_may_change
from governance.portal.licence.people import actor_of_session, done_or_told
from governance.queries.permissions import Permission
from governance.queries.seats import (
    open_invitations,
    seat_history,
    seat_rows,
    seats_csv,
)
from governance.queries.standing import standing_of
from governance.queries.terms import as_terms, terms_in_force


@organization_page()
def seats(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Used, pending, limit, peak; people with their last activity; invitations; the door."""
    at = now()
    standing = standing_of(organization.id, at=at)
    figures = standing.seats
    rows = seat_rows(organization, at=at)
    days = [(f"{s.day:%-d %b}", s.used) for s in seat_history(organization, at=at)]
    granted = request.permissions  # type: ignore[attr-defined]
    return render(
        request,
        "governance/licence/seats.html",
        {
            "standing": standing,
            "figures": figures,
            "rule": as_terms(terms_in_force(at)).seats,
            "free": max(figures.limit - figures.used, 0),
            "rows": rows,
            "idle": [row for row in rows if row.inactive and row.role != Role.OWNER],
            "invitations": open_invitations(organization, at=at),
            "chart": limit_chart(days, limit=figures.limit) if len(days) > 1 else None,
            "form": InvitationForm(),
            "may_manage": Permission.MANAGE_MEMBERS in granted,
            "may_export": Permission.EXPORT in granted,
            "seats_label": f"{figures.used} of {figures.limit} seats are used",
            "links": request.session.pop("invitation_links", []),
        },
    )


@require_POST
@organization_page(Permission.MANAGE_MEMBERS)
def invite(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Invite a pasted list; whoever does not fit waits in the order of acceptance."""
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return redirect("seats", slug=organization.slug)

    def act() -> None:
        made = invite_by_list(
            organization=organization,
            pasted=form.cleaned_data["addresses"],
            role=Role(form.cleaned_data["role"]),
            actor=actor_of_session(request),
            at=now(),
        )
        request.session["invitation_links"] = [
            (each.invitation.email, invitation_link(each.token)) for each in made
        ]

    return done_or_told(
        request, act, done="The invitations are on their way.", onward="seats",
        slug=organization.slug,
    )  # fmt: skip


@require_POST
@organization_page(Permission.MANAGE_MEMBERS)
def withdraw(request: HttpRequest, organization: Organization, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """Take an invitation back."""
    return done_or_told(
        request,
        lambda: withdraw_invitation(
            organization_id=organization.id,
            invitation_id=id,
            actor=actor_of_session(request),
            at=now(),
        ),
        done="The invitation is withdrawn.",
        onward="seats",
        slug=organization.slug,
    )


@require_POST
@organization_page(Permission.MANAGE_MEMBERS)
def reclaim(request: HttpRequest, organization: Organization) -> HttpResponse:
    """End the memberships that are ticked; their seats are free at once."""
    people, others = request.POST.getlist("person"), request.POST.getlist("seat")

    def act() -> None:
        if not people and not others:
            raise NobodyChosen("Nobody was chosen. Tick whose seats are to be free.")
        ids = [_uuid(value) for value in people]
        for membership in Membership.objects.filter(organization=organization, user_id__in=ids):
            require_may_change(request, organization, membership)
        actor, at = actor_of_session(request), now()
        reclaim_seats(organization_id=organization.id, user_ids=ids, actor=actor, at=at)
        reclaim_end_user_seats(
            organization_id=organization.id,
            seat_ids=[_uuid(value) for value in others],
            actor=actor,
            at=at,
        )

    return done_or_told(
        request, act, done="The seats are free.", onward="seats", slug=organization.slug
    )


class NobodyChosen(DomainError):
    """What was sent names no person."""

    code = "nobody_chosen"
    title = "Nobody was chosen"


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise NobodyChosen from error


@require_GET
@organization_page(Permission.EXPORT)
def export(_request: HttpRequest, organization: Organization) -> HttpResponse:
    """The table as CSV: the rows that the page shows."""
    name = f"seats-{organization.slug}-{now():%Y-%m-%d}.csv"
    return HttpResponse(
        seats_csv(organization, at=now()),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
