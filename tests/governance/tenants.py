"""Tenants for the tests of governance: licensed, seated, with a release to ask for."""

from datetime import UTC, datetime, timedelta
from itertools import count

from governance.kernel.actors import SYSTEM, Actor
from governance.licensing.facts import Bracket
from governance.models import ModelRelease, Organization, Role, User
from governance.operations.acceptances import accept_terms
from governance.operations.attestations import sign_attestation
from governance.operations.organizations import add_member, create_organization
from governance.operations.releases import HashedFile, register_release
from governance.queries.terms import terms_in_force

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OPERATOR = Actor(kind="user", id="op-1", label="pia@licet.example")
_numbers = count(1)


def person(name: str = "Ann") -> User:
    """Somebody new."""
    return User.objects.create_user(f"{name.lower()}-{next(_numbers)}@example.com", name=name)


def bare() -> Organization:
    """An organization with nothing declared and nobody in it."""
    return create_organization(slug=f"tenant-{next(_numbers)}", name="Tenant", actor=SYSTEM)


def licensed(*, at: datetime = NOON, seats: int = 1) -> Organization:
    """An organization that may generate, with ``seats`` people, the first of them its owner."""
    organization = bare()
    owner = member(organization, role=Role.OWNER, at=at)
    for _ in range(seats - 1):
        member(organization, at=at)
    accept_terms(
        organization_id=organization.id,
        user=owner,
        version=terms_in_force(at),
        authority="Managing director",
        actor=SYSTEM,
        at=at,
    )
    attest(organization, at=at)
    return organization


def member(
    organization: Organization,
    *,
    role: Role = Role.MEMBER,
    at: datetime = NOON,
    source: str = "portal",
) -> User:
    """A new person with a seat."""
    user = person()
    add_member(
        organization_id=organization.id, user=user, role=role, actor=SYSTEM, at=at, source=source
    )
    return user


def attest(
    organization: Organization,
    bracket: Bracket = Bracket.UNDER_250K,
    *,
    amount: int | None = None,
    at: datetime = NOON,
    days: int = 300,
) -> None:
    """A signed statement of revenue."""
    sign_attestation(
        organization_id=organization.id,
        period_start=(at - 366 * DAY).date(),
        period_end=(at - DAY).date(),
        bracket=bracket,
        amount_microusd=amount,
        signer_name="Ann Owner",
        signer_title="Managing director",
        signed_by=None,
        expires_at=at + days * DAY,
        actor=SYSTEM,
        at=at,
    )


def release(name: str = "Krea-2-Tiny-Turbo", *, at: datetime = NOON) -> ModelRelease:
    """A release that may be generated with."""
    return register_release(
        name=name,
        variant="turbo",
        source="test",
        files=[HashedFile("transformer/weights.safetensors", "a" * 64, 1)],
        actor=SYSTEM,
        at=at,
        steps=8,
    )
