"""The letter that invites somebody."""

from datetime import datetime

from django.conf import settings

from governance.kernel.letters import Letter
from governance.models import Invitation


def invitation_link(token: str) -> str:
    """The absolute address that accepts an invitation. It is a secret of its recipient."""
    return f"{settings.PUBLIC_URL}/invitations/{token}/"


def invitation_letter(invitation: Invitation, token: str) -> Letter:
    """Who invites to what, until when, and that looking at the link takes no seat."""
    name = invitation.organization.name
    return Letter(
        kind="invitation",
        subject=f"You are invited to {name} on Licet",
        heading=f"Join {name} on Licet",
        paragraphs=(
            f"{invitation.invited_by} invites you to make pictures with Krea 2 in {name}.",
            "Opening the link shows the terms; only accepting them there takes a seat.",
        ),
        facts=(
            ("Organization", name),
            ("Role", str(invitation.role)),
            ("Holds until", f"{invitation.expires_at:%d %B %Y %H:%M} UTC"),
        ),
        action=("See the invitation", invitation_link(token)),
        small_print="Whoever holds this link can accept it. If you do not know the sender, do nothing.",
    )


def seat_letter(invitation: Invitation, token: str, *, kept_until: datetime) -> Letter:
    """That a seat is free for who waited, until when it is kept, and the link that takes it."""
    name = invitation.organization.name
    return Letter(
        kind="seat_free",
        subject=f"A seat at {name} is free for you",
        heading=f"A seat at {name} is free for you",
        paragraphs=(
            "You waited in line; it is your turn now.",
            "This link takes the seat and replaces the one of your invitation.",
        ),
        facts=(("Kept for you until", f"{kept_until:%d %B %Y %H:%M} UTC"),),
        action=("Take the seat", invitation_link(token)),
        tone="good",
    )
