"""Gathering the facts of many organizations in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, Max, Min, Q

from governance.kernel.tenancy import privileged
from governance.licensing.facts import (
    AttestationFact,
    Bracket,
    BreachFact,
    ContractFact,
    LicenceFacts,
    NoticeFact,
)
from governance.models import (
    Acceptance,
    Attestation,
    Breach,
    EnterpriseContract,
    Invitation,
    KillSwitch,
    Organization,
    Seat,
    SeatSnapshot,
    TerminationNotice,
    TermsVersion,
)

PEAK_PERIOD = timedelta(days=30)
TREND_PERIOD = timedelta(days=90)
# Seats a day by least squares, computed where the daily lines lie.
TRENDS = """
SELECT pool_id, regr_slope(used, day - DATE '2000-01-01') FROM governance_seat_snapshot
WHERE day > %(since)s AND day <= %(until)s {which} GROUP BY pool_id
"""
OF_POOLS = "AND pool_id = ANY(%(pools)s)"


@dataclass(frozen=True)
class Tenant:
    """An organization, the pool its seats are counted in, and its group's organizations."""

    id: UUID
    pool_id: UUID
    needs: frozenset[str]
    joined_at: datetime | None


@dataclass
class SeatFigures:
    """Figures of one pool."""

    used: int = 0
    pending: int = 0
    peak: int = 0
    per_day: float | None = None
    events: tuple[tuple[datetime, int], ...] = ()


@dataclass
class Gathered:
    """Everything read, keyed by pool or organization."""

    seats: dict[UUID, SeatFigures] = field(default_factory=lambda: defaultdict(SeatFigures))
    attestations: dict[UUID, list[AttestationFact]] = field(
        default_factory=lambda: defaultdict(list)
    )
    contracts: dict[UUID, list[ContractFact]] = field(default_factory=lambda: defaultdict(list))
    breaches: dict[UUID | None, list[BreachFact]] = field(default_factory=lambda: defaultdict(list))


@privileged()
def licence_facts(
    organization_ids: Iterable[UUID] | None, *, version: TermsVersion, at: datetime
) -> dict[UUID, LicenceFacts]:
    """The facts at ``at`` of these organizations (None: all), a dozen queries however many.

    Facts of a control group (seats, revenue, contracts) are shared by its organizations.
    """
    asked, members = _tenants(organization_ids)
    pool_of = {tenant.id: tenant.pool_id for tenant in members}
    everyone = organization_ids is None
    gathered = Gathered()
    _read_seats(gathered, pool_of, members, version, at, everyone=everyone)
    _read_attestations(gathered, members, everyone=everyone)
    _read_contracts(gathered, pool_of, everyone=everyone)
    _read_breaches(gathered)
    accepted, earlier, due_since = _acceptances(asked, version, everyone=everyone)
    notices, halted = _notices(), _halted_since()
    return {
        tenant.id: LicenceFacts(
            organization_id=str(tenant.id),
            seats_used=gathered.seats[tenant.pool_id].used,
            seats_pending=gathered.seats[tenant.pool_id].pending,
            seats_peak=gathered.seats[tenant.pool_id].peak,
            seats_per_day=gathered.seats[tenant.pool_id].per_day,
            seat_events=gathered.seats[tenant.pool_id].events,
            accepted_at=accepted.get(tenant.id),
            acceptance_due_since=due_since if tenant.id in earlier else None,
            needs=tenant.needs,
            attestations=tuple(gathered.attestations[tenant.pool_id]),
            contracts=tuple(gathered.contracts[tenant.pool_id]),
            notices=notices,
            breaches=tuple(gathered.breaches[tenant.id] + gathered.breaches[None]),
            halted_since=halted,
        )
        for tenant in asked
    }


def pool_id_of(organization: Organization) -> UUID:
    """The pool that the organization's seats are counted in."""
    return organization.group_id or organization.id


def _tenants(organization_ids: Iterable[UUID] | None) -> tuple[list[Tenant], list[Tenant]]:
    rows = Organization.objects.all()
    if organization_ids is None:
        everyone = [_tenant(row) for row in rows.iterator()]
        return everyone, everyone
    asked = [_tenant(row) for row in rows.filter(id__in=list(organization_ids))]
    pools = {tenant.pool_id for tenant in asked}
    siblings = rows.filter(group_id__in=pools).exclude(id__in=[t.id for t in asked])
    return asked, asked + [_tenant(row) for row in siblings]


def _tenant(row: Organization) -> Tenant:
    return Tenant(row.id, pool_id_of(row), frozenset(row.needs), row.joined_group_at)


def _read_seats(
    gathered: Gathered,
    pool_of: dict[UUID, UUID],
    members: Sequence[Tenant],
    version: TermsVersion,
    at: datetime,
    *,
    everyone: bool,
) -> None:
    pool_ids = None if everyone else {tenant.pool_id for tenant in members}
    pools = Q() if pool_ids is None else Q(pool_id__in=pool_ids)
    held = Q(claimed_at__lte=at) & (Q(released_at__isnull=True) | Q(released_at__gt=at))
    counts = Seat.objects.filter(pools & held).values_list("pool_id").annotate(Count("id"))
    for pool_id, used in counts:
        gathered.seats[pool_id].used = gathered.seats[pool_id].peak = used
    since = (at - PEAK_PERIOD).date()
    peaks = SeatSnapshot.objects.filter(pools, day__gte=since, day__lte=at.date())
    for pool_id, peak in peaks.values_list("pool_id").annotate(Max("peak")):
        gathered.seats[pool_id].peak = max(gathered.seats[pool_id].peak, peak)
    _read_trends(gathered, pool_ids, at)
    limit = next(rule["limit"] for rule in version.rules if rule["id"] == "seats")
    over = [pool_id for pool_id, figures in gathered.seats.items() if figures.used > limit]
    _read_events(gathered, over)
    organizations = Q() if everyone else Q(organization_id__in=pool_of)
    invited = Invitation.objects.filter(
        organizations, accepted_at=None, revoked_at=None, created_at__lte=at, expires_at__gt=at
    )
    for organization_id, pending in invited.values_list("organization_id").annotate(Count("id")):
        gathered.seats[pool_of[organization_id]].pending += pending


def _read_trends(gathered: Gathered, pool_ids: set[UUID] | None, at: datetime) -> None:
    since = (at - TREND_PERIOD).date()
    span: dict[str, Any] = {"since": since, "until": at.date(), "pools": list(pool_ids or ())}
    with connection.cursor() as cursor:
        cursor.execute(TRENDS.format(which="" if pool_ids is None else OF_POOLS), span)
        for pool_id, slope in cursor.fetchall():
            gathered.seats[pool_id].per_day = slope


def _read_events(gathered: Gathered, pool_ids: list[UUID]) -> None:
    events: dict[UUID, list[tuple[datetime, int]]] = defaultdict(list)
    rows = Seat.objects.filter(pool_id__in=pool_ids) if pool_ids else Seat.objects.none()
    for pool_id, claimed, released in rows.values_list("pool_id", "claimed_at", "released_at"):
        events[pool_id].append((claimed, 1))
        if released is not None:
            events[pool_id].append((released, -1))
    for pool_id, found in events.items():
        gathered.seats[pool_id].events = tuple(found)


def _read_attestations(gathered: Gathered, members: Sequence[Tenant], *, everyone: bool) -> None:
    tenants = {tenant.id: tenant for tenant in members}
    latest_join: dict[UUID, datetime] = {}
    for tenant in members:
        if tenant.joined_at is not None:
            known = latest_join.get(tenant.pool_id)
            latest_join[tenant.pool_id] = max(known or tenant.joined_at, tenant.joined_at)
    rows = Attestation.objects.all()
    if not everyone:
        rows = rows.filter(organization_id__in=tenants)
    columns = ("id", "organization_id", "signed_at", "expires_at", "bracket", "amount_microusd")
    for id_, organization_id, signed, expires, bracket, amount in rows.values_list(*columns):
        pool_id = tenants[organization_id].pool_id
        joined = latest_join.get(pool_id)
        gathered.attestations[pool_id].append(
            AttestationFact(
                signed_at=signed,
                organization_id=str(organization_id),
                id=str(id_),
                expires_at=expires,
                bracket=Bracket(bracket),
                amount=amount,
                covers_group=joined is None or signed >= joined,
            )
        )


def _read_contracts(gathered: Gathered, pool_of: dict[UUID, UUID], *, everyone: bool) -> None:
    rows = EnterpriseContract.objects.all()
    if not everyone:
        rows = rows.filter(organization_id__in=pool_of)
    for row in rows:
        gathered.contracts[pool_of[row.organization_id]].append(
            ContractFact(
                row.starts_at, row.ends_at, str(row.id), row.seats, frozenset(row.features)
            )
        )


def _read_breaches(gathered: Gathered) -> None:
    for row in Breach.objects.all():
        gathered.breaches[row.organization_id].append(
            BreachFact(row.discovered_at, str(row.id), row.clause, row.reinstated_at)
        )


def _acceptances(
    asked: Sequence[Tenant], version: TermsVersion, *, everyone: bool
) -> tuple[dict[UUID, datetime], set[UUID], datetime]:
    """When each accepted both documents in force; who accepted earlier ones; since when due."""
    rows = Acceptance.objects.filter(for_organization=True)
    if not everyone:
        rows = rows.filter(organization_id__in=[tenant.id for tenant in asked])
    documents = {version.licence_id, version.policy_id}
    whole = (
        rows.filter(document_id__in=documents)
        .values_list("organization_id", "document_id")
        .annotate(Min("accepted_at"))
    )
    moments: dict[UUID, list[datetime]] = defaultdict(list)
    for organization_id, _document_id, moment in whole:
        moments[organization_id].append(moment)
    accepted = {org: max(found) for org, found in moments.items() if len(found) == len(documents)}
    earlier = set(rows.exclude(document_id__in=documents).values_list("organization_id", flat=True))
    since = TermsVersion.objects.filter(
        licence_id=version.licence_id, policy_id=version.policy_id
    ).aggregate(since=Min("effective_from"))["since"]
    return accepted, earlier | set(moments), since


def _notices() -> tuple[NoticeFact, ...]:
    rows = TerminationNotice.objects.filter(withdrawn_at=None, release=None)
    return tuple(
        NoticeFact(row.received_at, row.ends_at, str(row.id), "the whole service") for row in rows
    )


def _halted_since() -> datetime | None:
    return KillSwitch.objects.filter(id=1).values_list("engaged_at", flat=True).first()
