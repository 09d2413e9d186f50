"""A month on the pages, and its comparison with every record."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.timezone import now

from billing.gateways.configured import stand_in
from billing.gateways.fake import world
from billing.models import (
    Difference,
    UsageRollup,
)
from billing.operations.disputes import settle_dispute
from billing.operations.reconciliation import reconcile
from billing.operations.rollups import roll_up_day, roll_up_recent
from billing.operations.statements import close_statement
from billing.operations.top_ups import refresh_top_up
from billing.queries.balances import balance_of
from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from governance.models import Organization
from tests.billing.conftest import Account
from tests.billing.past import NOVEMBER
from tests.billing.payments import checkout


class TestReconciliation:
    @pytest.fixture
    def paid(self, organization: Organization) -> str:
        gateway = stand_in()
        top_up = checkout(organization.id, gateway)
        world.pay_checkout(top_up.checkout_session or "", "pm_card_visa")
        refresh_top_up(top_up=top_up, gateway=gateway, actor=SYSTEM, at=now())
        top_up.refresh_from_db()
        return top_up.payment or ""

    def kinds(self) -> set[str]:
        return set(Difference.objects.filter(gone_at=None).values_list("kind", flat=True))

    @pytest.mark.usefixtures("paid")
    def test_everything_that_agrees_leaves_no_difference(self) -> None:
        roll_up_recent(at=now())

        run = reconcile(gateway=stand_in(), at=now() + timedelta(hours=2))

        assert (run.differences, self.kinds()) == (0, set())
        assert run.facts["fees_microusd"] > 0

    def test_a_payment_that_we_missed_is_a_difference_with_an_age_until_it_is_booked(
        self, organization: Organization
    ) -> None:
        gateway = stand_in()
        top_up = checkout(organization.id, gateway)
        world.pay_checkout(top_up.checkout_session or "", "pm_card_visa")
        later = now() + timedelta(hours=2)

        reconcile(gateway=gateway, at=later)
        reconcile(gateway=gateway, at=later + timedelta(days=1))
        row = Difference.objects.get(kind="payment provider")
        refresh_top_up(top_up=top_up, gateway=gateway, actor=SYSTEM, at=now())
        reconcile(gateway=gateway, at=later + timedelta(days=2))

        assert row.last_seen_at - row.first_seen_at == timedelta(days=1)
        row.refresh_from_db()
        assert row.gone_at is not None
        assert balance_of(organization.id).posted == usd(25)

    def test_a_dispute_is_explained(self, paid: str) -> None:
        gateway = stand_in()
        dispute = world.open_dispute(paid)
        settle_dispute(outcome=gateway.dispute(dispute), actor=SYSTEM, at=now())

        run = reconcile(gateway=gateway, at=now() + timedelta(hours=2))

        assert run.differences == 0

    def test_a_roll_up_that_is_wrong_is_found_and_not_corrected(self, october: Account) -> None:
        for day in range(31):
            roll_up_day(day=date(2026, 10, 1) + timedelta(days=day), at=now())
        UsageRollup.objects.filter(day=date(2026, 10, 2), outcome="delivered").update(charged=1)

        reconcile(gateway=stand_in(), at=now())

        rows = Difference.objects.filter(kind="usage roll-up")
        assert [row.subject for row in rows] == [f"{october.organization.id} on 2026-10-02"]
        assert UsageRollup.objects.filter(charged=1).exists()


class TestPages:
    @pytest.fixture
    def reader(self, owner: Any) -> Client:
        client = Client()
        client.force_login(owner)
        return client

    def test_every_page_and_download_answers(self, reader: Client, october: Account) -> None:
        slug = october.organization.slug
        roll_up_recent(at=now(), days=60)
        close_statement(organization_id=october.organization.id, ends_at=NOVEMBER, at=now())

        for path in (
            "billing/",
            "billing/ledger.csv",
            "billing/statements/1.pdf",
            "billing/statements/1.csv",
            "billing/statements/1.json",
            "budgets/",
            "usage/?since=2026-10-01&until=2026-10-31&by=size",
            "usage.csv?since=2026-10-01&until=2026-10-31",
        ):
            reply = reader.get(f"/o/{slug}/{path}")
            assert reply.status_code == 200, path
            _ = b"".join(reply) if reply.streaming else reply.content

    def test_the_billing_page_tells_a_tenant_nothing_of_what_differs_elsewhere(
        self, reader: Client, october: Account
    ) -> None:
        reconcile(gateway=stand_in(), at=now())
        address = f"/o/{october.organization.slug}/billing/"

        def told() -> str:
            page = reader.get(address).content.decode()
            card = page[page.index('id="reconciled"') :]
            return card[: card.index("</section>")]

        before = told()
        Difference.objects.create(
            kind="wallet", subject="another", detail="x", first_seen_at=now(), last_seen_at=now()
        )

        assert "Compared then" in before
        assert told() == before

    def test_a_stranger_finds_nothing(
        self, stranger: Any, october: Account, client: Client
    ) -> None:
        client.force_login(stranger)

        for path in ("billing/", "budgets/", "usage/", "usage.csv", "billing/ledger.csv"):
            assert client.get(f"/o/{october.organization.slug}/{path}").status_code == 404

    def test_a_top_up_through_the_stand_in_arrives(self, reader: Client, october: Account) -> None:
        slug, before = october.organization.slug, balance_of(october.organization.id).posted
        page = reader.post(f"/o/{slug}/billing/top-up", {"amount": "25"})
        assert b"No real money" in reader.get(page["Location"]).content

        back = reader.post(page["Location"], {"card": "4242424242424242"})
        shown = reader.get(back["Location"])

        assert shown.status_code == 200
        assert balance_of(october.organization.id).posted == before + usd(25)

    def test_a_budget_says_when_it_would_have_been_reached(
        self, reader: Client, account: Account
    ) -> None:
        account.top_up(usd(10))
        account.capture(account.hold(usd(2)).hold_id)
        roll_up_recent(at=now())
        slug, organization = account.organization.slug, account.organization

        reply = reader.post(
            f"/o/{slug}/budgets/",
            {
                "subject": f"organization:{organization.id}",
                "period": "month",
                "action": "lock",
                "limit": "1",
            },
            follow=True,
        )

        assert b"would have been reached on" in reply.content
