"""All organizations at a glance, for the operator."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q

from governance.licensing.standing import Reason, Seats, Standing, Status
from governance.models import (
    Attestation,
    KillSwitch,
    Organization,
    OrganizationStanding,
    TerminationNotice,
)
from governance.queries.standing import standings
from governance.queries.standing_json import reason_from_json

SOON = timedelta(days=30)
NEAREST = 5


@dataclass(frozen=True)
class Line:
    """What the overview says of a standing."""

    status: Status
    may_generate: bool
    reasons: tuple[Reason, ...]
    grace_until: datetime | None
    seats: Seats

    @property
    def leading(self) -> Reason | None:
        """The reason that matters most."""
        return self.reasons[0] if self.reasons else None


@dataclass(frozen=True)
class Row:
    """One organization and how it stands."""

    organization: Organization
    standing: Line


@dataclass(frozen=True)
class ComplianceOverview:
    """What the compliance home shows; ``rows`` are worst first."""

    rows: list[Row]
    may_generate: int
    needing: list[Row]
    nearest_seats: list[Row]
    expiring: list[Attestation]
    notice: TerminationNotice | None


def compliance_overview(*, at: datetime) -> ComplianceOverview:
    """Every organization with its standing, and what is due within 30 days.

    Kept standings that still hold are read; only the others are decided anew.
    """
    decided = _lines(at)
    organizations = Organization.objects.filter(id__in=decided).order_by("name")
    rows = [Row(organization, decided[organization.id]) for organization in organizations]
    rows.sort(key=lambda row: (row.standing.may_generate, -row.standing.status.severity))
    by_seats = sorted(
        rows, key=lambda r: r.standing.seats.used / max(r.standing.seats.limit, 1), reverse=True
    )
    newest = (
        Attestation.objects.order_by("organization_id", "-signed_at")
        .distinct("organization_id")
        .values("id")
    )
    return ComplianceOverview(
        rows=rows,
        may_generate=sum(row.standing.may_generate for row in rows),
        needing=[r for r in rows if r.standing.status.severity or not r.standing.may_generate],
        nearest_seats=by_seats[:NEAREST],
        expiring=list(
            Attestation.objects.filter(id__in=newest, expires_at__gt=at, expires_at__lte=at + SOON)
            .select_related("organization")
            .order_by("expires_at")
        ),
        notice=TerminationNotice.objects.filter(withdrawn_at=None, release=None)
        .order_by("ends_at")
        .first(),
    )


def _lines(at: datetime) -> dict[UUID, Line]:
    host_epoch = KillSwitch.objects.values_list("epoch", flat=True).get(id=1)
    kept = OrganizationStanding.objects.filter(
        Q(changes_at=None) | Q(changes_at__gt=at),
        facts_epoch=F("organization__facts_epoch"),
        host_epoch=host_epoch,
    )
    lines = {row.organization_id: _kept(row) for row in kept}
    known = Organization.objects.values_list("id", flat=True)
    stale = [id_ for id_ in known if id_ not in lines]
    fresh = standings(at, organization_ids=stale) if stale else {}
    return lines | {id_: _decided(standing) for id_, standing in fresh.items()}


def _kept(row: OrganizationStanding) -> Line:
    seats = Seats(row.seats_used, 0, row.seats_limit, row.seats_used)
    reasons = tuple(reason_from_json(reason) for reason in row.reasons)
    return Line(Status(row.status), row.may_generate, reasons, row.grace_until, seats)


def _decided(standing: Standing) -> Line:
    return Line(
        standing.status,
        standing.may_generate,
        standing.reasons,
        standing.grace_until,
        standing.seats,
    )
