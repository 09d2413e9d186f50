"""The pages of money in a real Chromium, with a month of work: accessible, silent, never too wide."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils.timezone import now
from playwright.sync_api import Page

from billing.gateways.configured import stand_in
from billing.models import BudgetAction, BudgetPeriod, BudgetScope, Difference, PriceVersion
from billing.operations.adjustments import request_adjustment
from billing.operations.budgets import set_budget
from billing.operations.credits import grant_credit
from billing.operations.prices import draft_prices, publish_prices
from billing.operations.reconciliation import reconcile
from billing.operations.rollups import roll_up_recent
from billing.operations.statements import close_statement
from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.models import User
from governance.operations.api_keys import create_api_key
from tests.billing.conftest import Account
from tests.billing.test_books import past_credit, past_job
from tests.portal.test_browser import as_person, browser, violations  # noqa: F401 (fixtures)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(400),
]
SCREENS = [("light", 1280), ("dark", 1280), ("light", 390)]
TENANT = ("billing/", "budgets/", "usage/", "usage/?by=size", "usage/?by=outcome", "prices/")
OPERATOR = ("prices/", "prices/{draft}/", "prices/{first}/", "reconciliation/")


@pytest.fixture
def month(account: Account, owner: User) -> dict[str, Any]:
    """Two months of jobs, a budget, credit that ends, a statement, prices to come and a draft."""
    at = now()
    project = account.key.key.project
    other = Account(
        account.organization, create_api_key(project=project, name="Website", actor=SYSTEM, at=at)
    )
    with transaction.atomic():
        past_credit(account, usd(40), at - timedelta(days=70))
        for number in range(90):
            past_job(
                (account, other)[number % 3 == 0],
                at - timedelta(hours=15 * number + 1),
                images=2,
                delivered=(2, 1, 0, 2)[number % 4],
                side=(512, 1024)[number % 2],
            )
    roll_up_recent(at=at, days=62)
    grant_credit(
        organization_id=account.organization.id, amount=usd(5), kind="promotional",
        external_reference="welcome", actor=SYSTEM, at=at, expires_at=at + timedelta(days=30),
    )  # fmt: skip
    for action, limit in ((BudgetAction.LOCK, 20), (BudgetAction.ALERT, 1)):
        set_budget(
            organization_id=account.organization.id, scope=BudgetScope.ORGANIZATION,
            subject_id=account.organization.id, period=BudgetPeriod.MONTH, action=action,
            limit=usd(limit), actor=SYSTEM, at=at,
        )  # fmt: skip
    account.capture(account.hold(1_200_000).hold_id)
    close_statement(organization_id=account.organization.id, ends_at=at - timedelta(days=20), at=at)
    return {"slug": account.organization.slug, **operators_side(account)}


def operators_side(account: Account) -> dict[str, Any]:
    """What the operator's pages show: lists, a difference, an adjustment that waits."""
    at, first = now(), PriceVersion.objects.earliest("effective_from")
    for days, label in ((5, "Winter prices"), (9, "Draft for spring")):
        draft = draft_prices(
            label=label, effective_from=at + timedelta(days=days),
            body={**first.body, "adapter_microusd": 2_000}, actor=SYSTEM, at=at,
        )  # fmt: skip
        if days == 5:
            publish_prices(version_id=draft.id, actor=SYSTEM, at=at)
    reconcile(gateway=stand_in(), at=at)
    Difference.objects.create(
        kind="payment provider", subject="pi_3QxyzExample", first_seen_at=at - timedelta(days=5),
        last_seen_at=at, detail="journal 0, provider 25000000",
    )  # fmt: skip
    request_adjustment(
        organization_id=account.organization.id, amount=-1_500_000,
        reason="Two charges for one picture, ticket 12", actor=SYSTEM, at=at,
    )  # fmt: skip
    return {"draft": draft.id, "first": first.id}


def faults(page: Page, path: str) -> list[str]:
    """What is wrong with one page: its status, WCAG, its width."""
    reply = page.goto(path)
    found = [] if reply is not None and reply.status == 200 else [f"{path} has no page"]
    width = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    found += [f"{path} is {width} px too wide"] if width > 0 else []
    return found + violations(page)


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_the_tenants_pages(
    month: dict[str, Any],
    owner: User,
    as_person: Callable[..., Page],  # noqa: F811
    scheme: str,
    width: int,
) -> None:
    page = as_person(owner, scheme=scheme, width=width)

    found = [each for path in TENANT for each in faults(page, f"/o/{month['slug']}/{path}")]

    assert found == []


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_the_operators_pages(
    month: dict[str, Any],
    as_person: Callable[..., Page],  # noqa: F811
    scheme: str,
    width: int,
) -> None:
    operator = User.objects.create_user("op@licet.example", None, is_staff=True)
    page = as_person(operator, scheme=scheme, width=width)

    found = [
        each for path in OPERATOR for each in faults(page, f"/operator/{path.format(**month)}")
    ]

    assert found == []


def test_an_operator_publishes_prices_through_the_form(
    month: dict[str, Any],
    as_person: Callable[..., Page],  # noqa: F811
) -> None:
    page = as_person(User.objects.create_user("op@licet.example", None, is_staff=True))
    page.goto("/operator/prices/")
    page.get_by_label("Name", exact=True).fill("Dearer")
    page.get_by_label("turbo per image, dollars, row 2").fill("0.03")

    page.get_by_role("button", name="Save the draft and simulate").click()
    page.get_by_role("heading", name="The last 30 days by this list").wait_for()
    page.get_by_role("button", name="Publish").click()

    page.get_by_text("To come").wait_for()
    published = PriceVersion.objects.get(label="Dearer")
    assert published.published_at is not None
    assert published.body["models"]["turbo"]["sizes"][1]["microusd"] == 30_000
    assert month["slug"]
