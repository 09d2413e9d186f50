"""All organizations at a glance, for the operator."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from governance.licensing.standing import Standing
from governance.models import Attestation, Organization, TerminationNotice
from governance.queries.standing import standings

SOON = timedelta(days=30)
NEAREST = 5


@dataclass(frozen=True)
class Row:
    """One organization and how it stands."""

    organization: Organization
    standing: Standing


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
    """Every organization with its standing, and what is due within 30 days."""
    decided = standings(at)
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
