"""Fixtures that many tests share: a tenant, its people, its keys. Named for roles."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import pytest
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.licensing.facts import Bracket
from governance.models import Organization, Project, Role, User
from governance.operations.api_keys import CreatedKey, create_api_key
from governance.operations.demo import seed_declarations
from governance.operations.organizations import add_member, create_organization
from governance.operations.standing import refresh_standings

_numbers = count(1)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def organizations(db: None) -> Callable[..., Organization]:
    """Makes organizations."""

    def make(slug: str | None = None, name: str = "Aurora Studio") -> Organization:
        return create_organization(slug=slug or f"aurora-{next(_numbers)}", name=name, actor=SYSTEM)

    return make


@pytest.fixture
def organization(organizations: Callable[..., Organization]) -> Organization:
    """One tenant."""
    return organizations()


@pytest.fixture
def project(organization: Organization) -> Project:
    """The tenant's default project."""
    return organization.projects.get()


@pytest.fixture
def owner(organization: Organization) -> User:
    """The tenant's owner."""
    user = User.objects.create_user(f"owner-{next(_numbers)}@example.com", name="Olga Owner")
    add_member(organization_id=organization.id, user=user, role=Role.OWNER, actor=SYSTEM, at=NOON)
    return user


@pytest.fixture
def eligible(db: None) -> Callable[[Organization], None]:
    """Makes an organization one that may generate: terms accepted, revenue attested."""

    def make(organization: Organization) -> None:
        signer = User.objects.create_user(f"signer-{next(_numbers)}@example.com", name="Signe")
        seed_declarations(organization, signer, Bracket.UNDER_500K, at=now())
        refresh_standings(organization_ids=[organization.id], at=now())

    return make


@pytest.fixture
def stranger(organizations: Callable[..., Organization]) -> User:
    """A person of another tenant."""
    user = User.objects.create_user(f"stranger-{next(_numbers)}@example.com", name="Sam Stranger")
    other = organizations(name="Elsewhere")
    add_member(organization_id=other.id, user=user, role=Role.OWNER, actor=SYSTEM, at=NOON)
    return user


@pytest.fixture
def operator(db: None) -> User:
    """One of the operator's own people."""
    return User.objects.create_user(
        f"operator-{next(_numbers)}@example.com", name="Pia Operator", is_staff=True
    )


@pytest.fixture
def api_key(project: Project) -> CreatedKey:
    """A live key of the tenant with every scope."""
    return create_api_key(project=project, name="Test key", actor=SYSTEM, at=NOON)
