"""The demo organization's people and projects."""

from datetime import datetime, timedelta

from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.kernel.registry import key_budgets
from governance.models import ApiKey, Invitation, Organization, Project, Role
from governance.operations.api_keys import create_api_key
from governance.operations.demo import person
from governance.operations.invitations import invite_member
from governance.operations.organizations import add_member
from governance.operations.projects import create_project

SEATS, BUDGET_DOLLARS = 47, 40
PROJECTS = {"Campaign visuals": ("Studio plugin", "Batch"), "Product pages": ("Shop backend",)}
INVITED = ("Lena Fischer", "Omar Said", "Yuki Mori")
GIVEN = ("Alma", "Bruno", "Carla", "Dario", "Esme", "Filip", "Greta", "Hugo", "Ines", "Jakub")
FAMILY = ("Moreau", "Nilsen", "Okafor", "Petrov")


def fill_seats(organization: Organization, *, start: datetime, at: datetime) -> None:
    """Members up to 47 seats, spread over the time, and three open invitations."""
    names = [f"{given} {family}" for family in FAMILY for given in GIVEN]
    missing = SEATS - organization.memberships.filter(deactivated_at=None).count()
    for number, name in enumerate(names[: max(missing, 0)]):
        user = person(f"{name.lower().replace(' ', '.')}@aurora.example", name)
        add_member(
            organization_id=organization.id, user=user, role=Role.MEMBER, actor=SYSTEM,
            at=start + (at - start) * number / len(names),
        )  # fmt: skip
    for number, name in enumerate(INVITED):
        address = f"{name.lower().replace(' ', '.')}@aurora.example"
        if not Invitation.objects.filter(organization=organization, email=address).exists():
            invite_member(
                organization_id=organization.id, email=address, role=Role.MEMBER, actor=SYSTEM,
                at=at - timedelta(days=number + 1),
            )  # fmt: skip


def keys_of(organization: Organization, *, at: datetime) -> list[ApiKey]:
    """The keys that the jobs are made with: two projects, three keys, a budget each."""
    keys = []
    for title, names in PROJECTS.items():
        project = Project.objects.filter(organization=organization, name=title).first()
        if project is None:
            project = create_project(organization_id=organization.id, name=title, actor=SYSTEM)
        for name in names:
            known = ApiKey.objects.filter(project=project, name=name).first()
            key = known or create_api_key(project=project, name=name, actor=SYSTEM, at=at).key
            for budgets in key_budgets.all():
                budgets.set_limit(organization.id, key.id, usd(BUDGET_DOLLARS), SYSTEM, at)
            keys.append(key)
    return keys
