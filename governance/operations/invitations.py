"""Inviting people: an invitation is no seat until it is accepted, and accepted once."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.models import Invitation, Membership, Organization, Role, User
from governance.operations import audit
from governance.operations.acceptances import accept_terms
from governance.operations.invitation_letters import invitation_letter
from governance.operations.mail import post_letter
from governance.operations.organizations import add_member
from governance.operations.seats import SeatLimitReached, lock_pool
from governance.operations.waiting_list import join_line, require_turn
from governance.queries.facts import pool_id_of
from governance.queries.terms import terms_in_force

LIFETIME = timedelta(days=14)


class InvitationSpent(DomainError):
    """The invitation was accepted, withdrawn, has expired or never existed."""

    code = "invitation_spent"
    title = "This invitation cannot be accepted any more"
    status = 410


@dataclass(frozen=True)
class MadeInvitation:
    """An invitation and the token of its link, which is shown this once."""

    invitation: Invitation
    token: str


@transaction.atomic
def invite_member(
    *, organization_id: UUID, email: str, role: Role, actor: Actor, at: datetime
) -> MadeInvitation:
    """Invite somebody by e-mail. Invited again, the invitation keeps its place in line.

    The open invitation then gets a new link and the new role.

    The letter with the link goes into the outbox of this transaction.

    Raises InvalidRequest where the person is a member already.
    """
    address = User.objects.normalize_email(email.strip()).lower()
    members = Membership.objects.filter(organization_id=organization_id, deactivated_at=None)
    if members.filter(user__email__iexact=address).exists():
        raise InvalidRequest(f"{address} is a member already.", param="email")
    token = secrets.token_urlsafe(32)
    invitation, _ = Invitation.objects.update_or_create(
        organization_id=organization_id,
        email=address,
        accepted_at=None,
        revoked_at=None,
        defaults={
            "role": role,
            "digest": _digest(token),
            "invited_by": actor.label or actor.id,
            "created_at": at,
            "expires_at": at + LIFETIME,
        },
    )
    _record("member.invited", invitation, actor, {"role": role})
    post_letter(
        invitation_letter(invitation, token),
        to=[address],
        at=at,
        organization_id=organization_id,
    )
    return MadeInvitation(invitation, token)


def accept_invitation(*, token: str, actor: Actor, at: datetime) -> Membership:
    """Take the seat and become a member. Raises InvitationSpent, or SeatLimitReached when full.

    Where the door is full the invitation joins the waiting list, and that is kept: it stands in
    its own transaction, and the link works as soon as a seat is free and nobody waits longer.
    """
    try:
        return _accept(token, actor, at)
    except SeatLimitReached as full:
        place = _wait(token, at)
        full.facts["waiting_list_place"] = place
        full.detail = f"{full.detail} You are number {place} on the waiting list."
        raise


@transaction.atomic
def _accept(token: str, actor: Actor, at: datetime) -> Membership:
    invitation = _open_invitation(token, at)
    require_turn(organization=invitation.organization, invitation=invitation, at=at)
    user, _ = User.objects.get_or_create(
        email=invitation.email, defaults={"name": invitation.email.partition("@")[0]}
    )
    membership = add_member(
        organization_id=invitation.organization_id,
        user=user,
        role=Role(invitation.role),
        actor=actor,
        at=at,
    )
    invitation.accepted_at, invitation.accepted_by = at, user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    accept_terms(
        organization_id=invitation.organization_id,
        user=user,
        version=terms_in_force(at),
        authority="",
        actor=actor,
        at=at,
    )
    _record("invitation.accepted", invitation, actor, {"person": str(user.id)})
    return membership


@transaction.atomic
def _wait(token: str, at: datetime) -> int:
    invitation = _open_invitation(token, at)
    return join_line(invitation=invitation, pool_id=pool_id_of(invitation.organization), at=at)


@transaction.atomic
def withdraw_invitation(
    *, organization_id: UUID, invitation_id: UUID, actor: Actor, at: datetime
) -> Invitation:
    """Withdraw an open invitation; withdrawn again, the first time stands. Raises NotFound."""
    invitation = (
        Invitation.objects.select_for_update()
        .filter(id=invitation_id, organization_id=organization_id, accepted_at=None)
        .first()
    )
    if invitation is None:
        raise NotFound("There is no such open invitation.")
    if invitation.revoked_at is None:
        invitation.revoked_at = at
        invitation.save(update_fields=["revoked_at"])
        _record("invitation.withdrawn", invitation, actor, {})
    return invitation


def _open_invitation(token: str, at: datetime) -> Invitation:
    # The pool is locked before the invitation, as in every operation on seats: no deadlock.
    digest = _digest(token)
    known = Invitation.objects.select_related("organization").filter(digest=digest).first()
    if known is not None:
        lock_pool(pool_id_of(known.organization))
        known = Invitation.objects.select_for_update().get(id=known.id)
    spent = known is None or known.accepted_at or known.revoked_at or known.expires_at <= at
    if known is None or spent:
        raise InvitationSpent(
            "This invitation was used, withdrawn or has expired. Ask for a new one."
        )
    return known


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _record(act: str, invitation: Invitation, actor: Actor, facts: dict[str, object]) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=invitation.organization_id,
        subject_kind="invitation",
        subject_id=invitation.id,
        facts={"email": invitation.email, **facts},
    )


def invite_by_list(
    *, organization: Organization, pasted: str, role: Role, actor: Actor, at: datetime
) -> list[MadeInvitation]:
    """Invite every address of a pasted list (commas, semicolons, spaces, lines), once each."""
    words = pasted.replace(",", " ").replace(";", " ").split()
    addresses = dict.fromkeys(word.strip("<>").lower() for word in words if "@" in word)
    return [
        invite_member(organization_id=organization.id, email=address, role=role, actor=actor, at=at)
        for address in addresses
    ]
