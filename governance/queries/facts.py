"""Gathering the facts of many organizations: three queries, however many organizations."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from governance.kernel.tenancy import privileged
from governance.licensing.facts import (
    AttestationFact,
    Bracket,
    BreachFact,
    ContractFact,
    LicenceFacts,
    NoticeFact,
)
from governance.models import Organization, Seat, TermsVersion
from governance.queries.facts_sql import Found, read_found

PEAK_PERIOD = timedelta(days=30)
TREND_PERIOD = timedelta(days=90)


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
    """Everything read, keyed by pool or organization; None: everybody's."""

    tenants: dict[UUID, Tenant]
    seats: dict[UUID, SeatFigures] = field(default_factory=lambda: defaultdict(SeatFigures))
    attestations: dict[UUID, list[AttestationFact]] = field(
        default_factory=lambda: defaultdict(list)
    )
    contracts: dict[UUID, list[ContractFact]] = field(default_factory=lambda: defaultdict(list))
    breaches: dict[UUID | None, list[BreachFact]] = field(default_factory=lambda: defaultdict(list))
    notices: list[NoticeFact] = field(default_factory=list)
    # Whoever accepted something for the organization; None: not both documents in force.
    accepted: dict[UUID, datetime | None] = field(default_factory=dict)
    due_since: datetime | None = None
    halted_since: datetime | None = None

    def pool_of(self, found: Found) -> UUID:
        """The pool of the organization whose fact this is."""
        return self.tenants[found.whose].pool_id


@privileged()
def licence_facts(
    organization_ids: Iterable[UUID] | None, *, version: TermsVersion, at: datetime
) -> dict[UUID, LicenceFacts]:
    """The facts at ``at`` of these organizations (None: all), three queries however many.

    Facts of a control group (seats, revenue, contracts) are shared by its organizations.
    """
    asked, members = _tenants(organization_ids)
    gathered = Gathered({tenant.id: tenant for tenant in members})
    joins = _latest_joins(members)
    for found in _found(members, version, at, everyone=organization_ids is None):
        KEEP[found.kind](gathered, found)
    _read_events(gathered, version)
    return {tenant.id: _facts_of(tenant, gathered, joins) for tenant in asked}


def _facts_of(tenant: Tenant, gathered: Gathered, joins: dict[UUID, datetime]) -> LicenceFacts:
    seats = gathered.seats[tenant.pool_id]
    return LicenceFacts(
        organization_id=str(tenant.id),
        seats_used=seats.used,
        seats_pending=seats.pending,
        seats_peak=max(seats.peak, seats.used),
        seats_per_day=seats.per_day,
        seat_events=seats.events,
        accepted_at=gathered.accepted.get(tenant.id),
        acceptance_due_since=gathered.due_since if tenant.id in gathered.accepted else None,
        needs=tenant.needs,
        attestations=tuple(
            replace(each, covers_group=each.signed_at >= joins.get(tenant.pool_id, each.signed_at))
            for each in gathered.attestations[tenant.pool_id]
        ),
        contracts=tuple(gathered.contracts[tenant.pool_id]),
        notices=tuple(gathered.notices),
        breaches=tuple(gathered.breaches[tenant.id] + gathered.breaches[None]),
        halted_since=gathered.halted_since,
    )


def pool_id_of(organization: Organization) -> UUID:
    """The pool that the organization's seats are counted in."""
    return organization.group_id or organization.id


def _tenants(organization_ids: Iterable[UUID] | None) -> tuple[list[Tenant], list[Tenant]]:
    """The organizations that are asked for, and these with all others of their groups."""
    rows = Organization.objects.all()
    if organization_ids is None:
        everyone = [_tenant(row) for row in rows.iterator()]
        return everyone, everyone
    ids = set(organization_ids)
    groups = rows.filter(id__in=ids, group_id__isnull=False).values("group_id")
    members = [_tenant(row) for row in rows.filter(Q(id__in=ids) | Q(group_id__in=groups))]
    return [tenant for tenant in members if tenant.id in ids], members


def _tenant(row: Organization) -> Tenant:
    return Tenant(row.id, pool_id_of(row), frozenset(row.needs), row.joined_group_at)


def _latest_joins(members: Sequence[Tenant]) -> dict[UUID, datetime]:
    """When an organization joined each group last."""
    latest: dict[UUID, datetime] = {}
    for tenant in members:
        if tenant.joined_at is not None:
            latest[tenant.pool_id] = max(
                latest.get(tenant.pool_id, tenant.joined_at), tenant.joined_at
            )
    return latest


def _found(
    members: Sequence[Tenant], version: TermsVersion, at: datetime, *, everyone: bool
) -> list[Found]:
    values = {
        "at": at,
        "today": at.date(),
        "peak_since": (at - PEAK_PERIOD).date(),
        "trend_since": (at - TREND_PERIOD).date(),
        "licence": version.licence_id,
        "policy": version.policy_id,
        "organizations": [tenant.id for tenant in members],
        "pools": list({tenant.pool_id for tenant in members}),
    }
    return read_found(values, everyone=everyone)


def _seats(gathered: Gathered, found: Found) -> None:
    gathered.seats[found.whose].used = found.says["used"]


def _days(gathered: Gathered, found: Found) -> None:
    figures = gathered.seats[found.whose]
    figures.peak, figures.per_day = found.says["peak"] or 0, found.says["per_day"]


def _invitations(gathered: Gathered, found: Found) -> None:
    gathered.seats[gathered.pool_of(found)].pending += found.says["pending"]


def _attestation(gathered: Gathered, found: Found) -> None:
    statement = AttestationFact(
        signed_at=found.moment("signed_at"),
        organization_id=str(found.owner),
        id=found.says["id"],
        expires_at=found.moment("expires_at"),
        bracket=Bracket(found.says["bracket"]),
        amount=found.says["amount"],
    )
    gathered.attestations[gathered.pool_of(found)].append(statement)


def _contract(gathered: Gathered, found: Found) -> None:
    says = found.says
    agreed = ContractFact(
        found.moment("starts_at"), found.moment("ends_at"), says["id"], says["seats"],
        frozenset(says["features"]),
    )  # fmt: skip
    gathered.contracts[gathered.pool_of(found)].append(agreed)


def _breach(gathered: Gathered, found: Found) -> None:
    reinstated = found.moment_or_none("reinstated_at")
    gathered.breaches[found.owner].append(
        BreachFact(
            found.moment("discovered_at"), found.says["id"], found.says["clause"], reinstated
        )
    )


def _acceptance(gathered: Gathered, found: Found) -> None:
    gathered.accepted[found.whose] = found.moment_or_none("accepted_at")


def _notice(gathered: Gathered, found: Found) -> None:
    gathered.notices.append(
        NoticeFact(
            found.moment("received_at"), found.moment("ends_at"), found.says["id"],
            "the whole service",
        )
    )  # fmt: skip


def _host(gathered: Gathered, found: Found) -> None:
    gathered.due_since = found.moment_or_none("due_since")
    gathered.halted_since = found.moment_or_none("halted_since")


# How a fact of each kind is kept. None asks what was kept before it: rows come in any order.
KEEP: dict[str, Callable[[Gathered, Found], None]] = {
    "seats": _seats,
    "days": _days,
    "invitations": _invitations,
    "attestation": _attestation,
    "contract": _contract,
    "breach": _breach,
    "acceptance": _acceptance,
    "notice": _notice,
    "host": _host,
}


def _read_events(gathered: Gathered, version: TermsVersion) -> None:
    """When the seats of those who are over the community's limit came and went; else no query."""
    limit = next(rule["limit"] for rule in version.rules if rule["id"] == "seats")
    over = [pool_id for pool_id, figures in gathered.seats.items() if figures.used > limit]
    events: dict[UUID, list[tuple[datetime, int]]] = defaultdict(list)
    rows = Seat.objects.filter(pool_id__in=over) if over else Seat.objects.none()
    for pool_id, claimed, released in rows.values_list("pool_id", "claimed_at", "released_at"):
        events[pool_id].append((claimed, 1))
        if released is not None:
            events[pool_id].append((released, -1))
    for pool_id, found in events.items():
        gathered.seats[pool_id].events = tuple(found)
