"""Seats of an organization for people: who holds one, since when, who could give one back."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Max, Q

from governance.kernel.tenancy import privileged
from governance.models import ApiKey, Invitation, Membership, Organization, Seat, SeatSnapshot
from governance.queries.facts import pool_id_of

INACTIVE_AFTER = timedelta(days=60)


@dataclass(frozen=True)
class SeatRow:
    """One person with a seat."""

    seat_id: UUID
    user_id: UUID | None
    email: str
    name: str
    role: str
    source: str
    claimed_at: datetime
    last_active_at: datetime | None
    inactive: bool
    organization: str


@privileged()
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
    by_key = _last_used_keys(organization)
    rows = [
        _row(seat, memberships.get(seat.user_id) if seat.user_id else None, by_key, at)
        for seat in seats
    ]
    return sorted(rows, key=lambda row: row.last_active_at or row.claimed_at)


def _last_used_keys(organization: Organization) -> dict[UUID | None, datetime | None]:
    """When each person's API keys were last used: who only calls the API is not idle."""
    keys = ApiKey.objects.filter(
        Q(organization=organization)
        | Q(organization__group__isnull=False, organization__group=organization.group_id)
    ).exclude(last_used_at=None)
    return dict(keys.values_list("created_by_id").annotate(Max("last_used_at")))


def _row(
    seat: Seat,
    membership: Membership | None,
    by_key: dict[UUID | None, datetime | None],
    at: datetime,
) -> SeatRow:
    moments = [seat.last_active_at, by_key.get(seat.user_id) if seat.user_id else None]
    moments += [membership.last_active_at] if membership else []
    active = max((moment for moment in moments if moment is not None), default=None)
    user = seat.user
    return SeatRow(
        seat_id=seat.id,
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


def seat_row_of(organization: Organization, user_id: UUID, *, at: datetime) -> SeatRow | None:
    """The row of one person, or None for who holds no seat here."""
    return next((row for row in seat_rows(organization, at=at) if row.user_id == user_id), None)


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
