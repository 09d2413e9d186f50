"""What the live server's database holds: a release, and tenants as the tests ask for them."""

from typing import Any
from uuid import UUID, uuid4

from django.db.models import Count, Sum
from django.utils.timezone import now

from billing.models import BudgetAction, BudgetPeriod, BudgetScope, Hold
from billing.operations.budgets import set_budget
from billing.operations.credits import grant_credit
from billing.queries.balances import balance_of
from governance.kernel.actors import SYSTEM
from governance.kernel.money import Microdollars, usd
from governance.licensing.facts import Bracket
from governance.models import ModelRelease, User
from governance.operations.api_keys import create_api_key
from governance.operations.demo import seed_declarations
from governance.operations.organizations import create_organization
from governance.operations.standing import refresh_standings
from inference.models import Generation

RELEASE = "krea-2-tiny-turbo"


def make_world() -> None:
    """The release that every test draws with."""
    ModelRelease.objects.get_or_create(
        slug=RELEASE,
        defaults={
            "name": "Krea-2-Tiny-Turbo",
            "variant": "turbo",
            "source": "tests",
            "licence": "tests",
            "steps": 8,
            "min_side": 64,
            "max_side": 1024,
            "default_side": 64,
        },
    )


def make_tenant(
    *,
    dollars: int = 10,
    mode: str = "live",
    eligible: bool = True,
    scopes: list[str] | None = None,
    monthly_limit_microusd: int | None = None,
) -> dict[str, str]:
    """An organization with a key: its id and the secret."""
    name = f"live-{uuid4().hex[:12]}"
    organization = create_organization(slug=name, name=name, actor=SYSTEM)
    if eligible:
        signer = User.objects.create_user(f"{name}@example.com", name="Signe")
        seed_declarations(organization, signer, Bracket.UNDER_500K, at=now())
        refresh_standings(organization_ids=[organization.id], at=now())
    if dollars:
        grant_credit(
            organization_id=organization.id,
            amount=usd(dollars),
            kind="paid",
            external_reference=f"live:{organization.id}",
            actor=SYSTEM,
            at=now(),
        )
    if monthly_limit_microusd is not None:
        limit_month(organization.id, monthly_limit_microusd)
    chosen = {"scopes": tuple(scopes)} if scopes else {}
    created = create_api_key(
        project=organization.projects.get(),
        name="live tests",
        actor=SYSTEM,
        at=now(),
        mode=mode,  # type: ignore[arg-type]
        **chosen,
    )
    return {"key": created.secret, "organization": str(organization.id)}


def limit_month(organization_id: UUID, limit_microusd: int) -> None:
    """A locked monthly budget of the whole organization."""
    set_budget(
        organization_id=organization_id,
        scope=BudgetScope.ORGANIZATION,
        subject_id=organization_id,
        period=BudgetPeriod.MONTH,
        action=BudgetAction.LOCK,
        limit=Microdollars(limit_microusd),
        actor=SYSTEM,
        at=now(),
    )


def books(organization_id: str) -> dict[str, Any]:
    """What the organization's requests led to: jobs by state, holds by state, money in µUSD."""
    jobs = Generation.objects.filter(organization_id=organization_id)
    holds = Hold.objects.filter(organization_id=organization_id)
    balance = balance_of(UUID(organization_id))
    return {
        "jobs": dict(jobs.values_list("state").annotate(Count("id"))),
        "holds": dict(holds.values_list("state").annotate(Count("id"))),
        "charged": jobs.aggregate(total=Sum("charged_microusd"))["total"] or 0,
        "posted": balance.posted,
        "held": balance.held,
        "last": jobs.order_by("-id")
        .values("dialect", "ignored", "webhook_url", "test_mode")
        .first(),
    }
