"""One member: role, removal, handing over ownership; each with its consequence said before."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_POST

from governance.kernel.errors import DomainError
from governance.models import Membership, Organization, Role
from governance.operations.members import change_role, remove_member, transfer_ownership
from governance.portal.access import organization_page
from governance.portal.licence.forms import RoleForm
from governance.portal.licence.people import actor_of_session, done_or_told, user_of
from governance.queries.permissions import (
    TABLE,
    Permission,
    may_change,
    may_grant,
    role_in,
)
from governance.queries.seats import seat_row_of


class NotYours(DomainError):
    """Owners are made, changed and removed by owners only."""

    code = "owners_only"
    title = "Only an owner does this"
    status = 403


@organization_page(Permission.MANAGE_MEMBERS)
def member(request: HttpRequest, organization: Organization, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """The person, what the role allows, and what can be done."""
    membership = membership_or_404(organization, id)
    own = own_role(request, organization)
    present = Role(membership.role)
    changeable = own is not None and may_change(own, present)
    return render(
        request,
        "governance/licence/member.html",
        {
            "membership": membership,
            "row": seat_row_of(organization, id, at=now()),
            "allowed": sorted(str(permission) for permission in TABLE[present]),
            "form": RoleForm(own, initial={"role": present}) if own and changeable else None,
            "may_transfer": own == Role.OWNER and present != Role.OWNER,
            "oneself": membership.user_id == user_of(request).id,
        },
    )


@require_POST
@organization_page(Permission.MANAGE_MEMBERS)
def role(request: HttpRequest, organization: Organization, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """Give the member another role."""
    membership = membership_or_404(organization, id)
    wanted = request.POST.get("role", "")

    def act() -> None:
        own = require_may_change(request, organization, membership)
        if wanted not in Role.values or not may_grant(own, Role(wanted)):
            raise NotYours("You cannot give this role.")
        change_role(
            organization_id=organization.id,
            user_id=id,
            role=Role(wanted),
            actor=actor_of_session(request),
        )

    return done_or_told(
        request, act, done="The role is changed.", onward="member", slug=organization.slug, id=id
    )


@require_POST
@organization_page(Permission.MANAGE_MEMBERS)
def remove(request: HttpRequest, organization: Organization, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """End the membership; the seat is free at once."""
    membership = membership_or_404(organization, id)

    def act() -> None:
        require_may_change(request, organization, membership)
        remove_member(
            organization_id=organization.id,
            user_id=id,
            reason="removed",
            actor=actor_of_session(request),
            at=now(),
        )

    return done_or_told(
        request, act, done="The person is removed; the seat is free.", onward="seats",
        slug=organization.slug,
    )  # fmt: skip


@require_POST
@organization_page(Permission.TRANSFER)
def transfer(request: HttpRequest, organization: Organization, id: UUID) -> HttpResponse:  # noqa: A002 (the address's word)
    """Make this member the owner and oneself an admin."""
    return done_or_told(
        request,
        lambda: transfer_ownership(
            organization_id=organization.id,
            from_user_id=user_of(request).id,
            to_user_id=id,
            actor=actor_of_session(request),
        ),
        done="The ownership is handed over. You are an admin now.",
        onward="seats",
        slug=organization.slug,
    )


def membership_or_404(organization: Organization, user_id: UUID) -> Membership:
    """The active membership of this person here."""
    found = (
        Membership.objects.select_related("user")
        .filter(organization=organization, user_id=user_id, deactivated_at=None)
        .first()
    )
    if found is None:
        raise Http404
    return found


def own_role(request: HttpRequest, organization: Organization) -> Role | None:
    """The reader's own role here."""
    return role_in(user_of(request), organization.id)


def require_may_change(
    request: HttpRequest, organization: Organization, membership: Membership
) -> Role:
    """The reader's role, if it may touch this member. Raises NotYours."""
    own = own_role(request, organization)
    if own is None or not may_change(own, Role(membership.role)):
        raise NotYours("Only an owner changes or removes an owner.")
    return own
