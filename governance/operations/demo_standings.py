"""Demo organizations in every standing, so that the compliance home has something to show."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from governance.kernel.actors import SYSTEM
from governance.kernel.canonical import sha256_hex
from governance.licensing.facts import Bracket
from governance.models import Membership, Organization, Role, Seat, SeatPool, SeatSnapshot, User
from governance.operations.acceptances import accept_terms
from governance.operations.attestations import sign_attestation
from governance.operations.contracts import ContractTerms, record_contract
from governance.operations.organizations import create_organization
from governance.operations.standing import refresh_standings
from governance.operations.termination import record_breach
from governance.queries.terms import terms_in_force


@dataclass(frozen=True)
class Cast:
    """One demo organization: people with a seat, what it states, what it has."""

    slug: str
    name: str
    people: int
    bracket: Bracket | None
    expires_in_days: int = 200
    contract_seats: int = 0
    breach: str = ""


CASTS = [
    Cast("borealis-media", "Borealis Media", 47, Bracket.UNDER_800K),
    Cast("cobalt-games", "Cobalt Games", 56, Bracket.UNDER_800K),
    Cast("dune-textiles", "Dune Textiles", 9, None),
    Cast("ember-foods", "Ember Foods", 22, Bracket.AT_OR_OVER_1M),
    Cast("fjord-group", "Fjord Group", 180, Bracket.AT_OR_OVER_1M, contract_seats=250),
    Cast("gale-architects", "Gale Architects", 14, Bracket.UNDER_250K, expires_in_days=11),
    Cast("ivory-press", "Ivory Press", 12, Bracket.UNDER_250K),
    Cast("harbour-print", "Harbour Print", 6, Bracket.UNDER_250K, breach="4.1(c)"),
]


def seed_standings(*, at: datetime) -> list[Organization]:
    """Make the organizations that are missing. Safe to repeat."""
    known = set(Organization.objects.values_list("slug", flat=True))
    return [_make(cast, at) for cast in CASTS if cast.slug not in known]


@transaction.atomic
def _make(cast: Cast, at: datetime) -> Organization:
    organization = create_organization(slug=cast.slug, name=cast.name, actor=SYSTEM)
    users = _people(cast, organization, at)
    accept_terms(
        organization_id=organization.id, user=users[0], version=terms_in_force(at),
        authority="Managing director", actor=SYSTEM, at=at,
    )  # fmt: skip
    if cast.bracket is not None:
        sign_attestation(
            organization_id=organization.id,
            period_start=(at - timedelta(days=366)).date(),
            period_end=(at - timedelta(days=1)).date(),
            bracket=cast.bracket, signer_name=users[0].name, signer_title="Managing director",
            signed_by=users[0], expires_at=at + timedelta(days=cast.expires_in_days),
            actor=SYSTEM, at=at,
        )  # fmt: skip
    if cast.contract_seats:
        record_contract(
            organization_id=organization.id, agreed=_contract(cast, at), actor=SYSTEM, at=at
        )
    if cast.breach:
        record_breach(
            organization_id=organization.id, clause=cast.breach,
            description="The content filter was circumvented.",
            discovered_at=at - timedelta(days=3), actor=SYSTEM, at=at,
        )  # fmt: skip
    refresh_standings(organization_ids=[organization.id], at=at)
    return organization


def _people(cast: Cast, organization: Organization, at: datetime) -> list[User]:
    """People who came over the last 90 days, as a directory would have brought them."""
    names = [f"{cast.name.split()[0]} person {n}" for n in range(1, cast.people + 1)]
    users = User.objects.bulk_create(
        User(email=f"p{n}@{cast.slug}.example", name=name, password="!")  # noqa: S106 (no password fits)
        for n, name in enumerate(names, start=1)
    )
    # More than one in five is idle: those are the seats that the page suggests to free.
    Membership.objects.bulk_create(
        Membership(
            organization=organization,
            user=user,
            role=Role.OWNER if n == 0 else Role.MEMBER,
            source="scim",
            last_active_at=at - timedelta(days=75 if n % 5 == 4 else n % 20),  # noqa: PLR2004 (one in five)
        )
        for n, user in enumerate(users)
    )
    Seat.objects.bulk_create(
        Seat(
            pool_id=organization.id, person=f"user:{user.id}", user=user,
            organization=organization, source="scim",
            claimed_at=at - timedelta(days=90 - 87 * n // cast.people),
        )
        for n, user in enumerate(users)
    )  # fmt: skip
    SeatPool.objects.create(id=organization.id, used=cast.people)
    _history(cast, organization, at)
    return users


def _history(cast: Cast, organization: Organization, at: datetime) -> None:
    limit = max(50, cast.contract_seats)
    since = [90 - 87 * n // cast.people for n in range(cast.people)]
    SeatSnapshot.objects.bulk_create(
        SeatSnapshot(
            pool_id=organization.id, day=(at - timedelta(days=days)).date(), pending=0,
            used=(used := sum(came >= days for came in since)), peak=used, limit=limit,
        )
        for days in range(90, 0, -1)
    )  # fmt: skip


def _contract(cast: Cast, at: datetime) -> ContractTerms:
    return ContractTerms(
        reference=f"Demo contract of {cast.name}",
        starts_at=at - timedelta(days=60),
        ends_at=at + timedelta(days=305),
        seats=cast.contract_seats,
        features=frozenset({"sso", "dpa"}),
        document_sha256=sha256_hex(cast.slug.encode()),
    )
