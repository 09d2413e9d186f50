"""Seats of an organization for people: who holds one, since when, who could give one back."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from governance.licensing.seats import forecast
from governance.models import Invitation, Membership, Organization, Seat, SeatSnapshot
from governance.queries.facts import pool_id_of

INACTIVE_AFTER = timedelta(days=60)


@dataclass(frozen=True)
class SeatRow:
    """One person with a seat."""

    user_id: UUID | None
    email: str
    name: str
    role: str
    source: str
    claimed_at: datetime
    last_active_at: datetime | None
    inactive: bool
    organization: str


def seat_rows(organization: Organization, *, at: datetime) -> list[SeatRow]:
    """Everyone who holds a seat in the organization's group, longest inactive first."""
    seats = (
        Seat.objects.filter(pool_id=pool_id_of(organization), released_at=None)
        .select_related("user", "organization")
        .order_by("claimed_at", "id")
    )
    memberships = {
        membership.user_id: membership
        for membership in Membership.objects.filter(
            user__seats__in=seats, deactivated_at=None
        ).order_by("last_active_at")
    }
    rows = [
        _row(seat, memberships.get(seat.user_id) if seat.user_id else None, at) for seat in seats
    ]
    return sorted(rows, key=lambda row: row.last_active_at or row.claimed_at)


def _row(seat: Seat, membership: Membership | None, at: datetime) -> SeatRow:
    active = membership.last_active_at if membership else None
    user = seat.user
    return SeatRow(
        user_id=seat.user_id,
        email=user.email if user else seat.person,
        name=user.name if user else "",
        role=membership.role if membership else "",
        source=seat.source,
        claimed_at=seat.claimed_at,
        last_active_at=active,
        inactive=at - (active or seat.claimed_at) >= INACTIVE_AFTER,
        organization=seat.organization.slug,
    )


def seats_csv(organization: Organization, *, at: datetime) -> str:
    """The rows of the seats page as CSV, with UTC times in ISO 8601.

    A cell that a spreadsheet would run as a formula is quoted with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["email", "name", "role", "source", "seat_since", "last_active", "inactive", "organization"]
    )
    for row in seat_rows(organization, at=at):
        active = row.last_active_at.isoformat() if row.last_active_at else ""
        cells = [row.email, row.name, row.role, row.source, row.claimed_at.isoformat(), active]
        writer.writerow([_safe(c) for c in [*cells, str(row.inactive).lower(), row.organization]])
    return out.getvalue()


def _safe(cell: str) -> str:
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def open_invitations(organization: Organization, *, at: datetime) -> list[Invitation]:
    """Invitations that can still be accepted; the waiting list first, in its order."""
    rows = Invitation.objects.filter(
        organization=organization, accepted_at=None, revoked_at=None, expires_at__gt=at
    )
    return sorted(rows, key=lambda i: (i.waiting_since is None, i.waiting_since or i.created_at))


def seat_history(organization: Organization, *, at: datetime, days: int = 90) -> list[SeatSnapshot]:
    """The daily lines of the last ``days`` days, oldest first."""
    since = (at - timedelta(days=days)).date()
    return list(
        SeatSnapshot.objects.filter(pool_id=pool_id_of(organization), day__gte=since).order_by(
            "day"
        )
    )


def seat_forecast(organization: Organization, *, limit: int, at: datetime) -> datetime | None:
    """When more than ``limit`` seats will be used if the last 90 days go on, or None."""
    history = [
        (datetime(s.day.year, s.day.month, s.day.day, tzinfo=at.tzinfo), s.used)
        for s in seat_history(organization, at=at)
    ]
    return forecast(history, limit=limit)
