"""All organizations at a glance, for the operator."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet

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
SHOWN = 50


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
class Brief:
    """What the order of all organizations needs to know of one."""

    id: UUID
    may_generate: bool
    severity: int
    used: int
    limit: int

    @property
    def needs_action(self) -> bool:
        """Whether somebody has to do something."""
        return bool(self.severity) or not self.may_generate

    @property
    def rank(self) -> tuple[bool, int]:
        """Worst first."""
        return (self.may_generate, -self.severity)


@dataclass(frozen=True)
class ComplianceOverview:
    """What the operator's home shows; ``rows`` are the worst, at most 50 of ``total``."""

    rows: list[Row]
    total: int
    may_generate: int
    need_action: int
    nearest_seats: list[Row]
    expiring: list[Attestation]
    expiring_total: int
    notice: TerminationNotice | None


def compliance_overview(*, at: datetime) -> ComplianceOverview:
    """The worst organizations with their standing, figures of all, and what is due within 30 days.

    Kept standings that still hold are read; only the others are decided anew. Of all organizations only
    a few columns are read, of the shown ones everything.
    """
    kept = _kept_standings(at)
    briefs, fresh = _briefs(kept, at)
    worst = sorted(briefs, key=lambda brief: brief.rank)[:SHOWN]
    by_seats = sorted(briefs, key=lambda b: b.used / max(b.limit, 1), reverse=True)[:NEAREST]
    rows = _rows({brief.id for brief in worst + by_seats}, kept, fresh)
    due = _expiring(at)
    return ComplianceOverview(
        rows=[rows[brief.id] for brief in worst],
        total=len(briefs),
        may_generate=sum(brief.may_generate for brief in briefs),
        need_action=sum(brief.needs_action for brief in briefs),
        nearest_seats=[rows[brief.id] for brief in by_seats],
        expiring=list(due.select_related("organization").order_by("expires_at")[:NEAREST]),
        expiring_total=due.count(),
        notice=TerminationNotice.objects.filter(withdrawn_at=None, release=None)
        .order_by("ends_at")
        .first(),
    )


def _expiring(at: datetime) -> QuerySet[Attestation]:
    """Attestations that end within 30 days and were followed by no newer one."""
    newer = Attestation.objects.filter(
        organization_id=OuterRef("organization_id"), signed_at__gt=OuterRef("signed_at")
    )
    ending = Attestation.objects.filter(expires_at__gt=at, expires_at__lte=at + SOON)
    return ending.exclude(Exists(newer))


def _kept_standings(at: datetime) -> QuerySet[OrganizationStanding]:
    host_epoch = KillSwitch.objects.values_list("epoch", flat=True).get(id=1)
    return OrganizationStanding.objects.filter(
        Q(changes_at=None) | Q(changes_at__gt=at),
        facts_epoch=F("organization__facts_epoch"),
        host_epoch=host_epoch,
    )


def _briefs(
    kept: QuerySet[OrganizationStanding], at: datetime
) -> tuple[list[Brief], dict[UUID, Standing]]:
    """Every organization by name, and the standings that had to be decided for it."""
    columns = ("organization_id", "may_generate", "status", "seats_used", "seats_limit")
    severities = {str(status): status.severity for status in Status}
    known = {
        row[0]: Brief(row[0], row[1], severities[row[2]], row[3], row[4])
        for row in kept.values_list(*columns)
    }
    everyone = list(Organization.objects.order_by("name").values_list("id", flat=True))
    stale = [id_ for id_ in everyone if id_ not in known]
    fresh = standings(at, organization_ids=stale) if stale else {}
    known |= {
        id_: Brief(id_, s.may_generate, s.status.severity, s.seats.used, s.seats.limit)
        for id_, s in fresh.items()
    }
    return [known[id_] for id_ in everyone if id_ in known], fresh


def _rows(
    ids: set[UUID], kept: QuerySet[OrganizationStanding], fresh: dict[UUID, Standing]
) -> dict[UUID, Row]:
    """The rows to show, with everything that they say."""
    rows = {
        row.organization_id: Row(row.organization, _kept(row))
        for row in kept.filter(organization_id__in=ids).select_related("organization")
    }
    decided = Organization.objects.filter(id__in=[id_ for id_ in ids if id_ in fresh])
    return rows | {each.id: Row(each, _decided(fresh[each.id])) for each in decided}


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
