"""A month in the books: prices, usage, statements, reconciliation agree to the microdollar."""

import csv
import io
import itertools
import json
import re
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.test import Client
from django.utils.timezone import now

from billing.gateways.configured import stand_in
from billing.gateways.fake import world
from billing.kernel.statements import as_csv, broken_links
from billing.models import (
    Difference,
    Hold,
    LedgerEntry,
    LedgerTransaction,
    PriceVersion,
    Statement,
    UsageRollup,
    Wallet,
)
from billing.operations.disputes import settle_dispute
from billing.operations.prices import (
    AlreadyPublished,
    draft_prices,
    publish_prices,
    simulate_prices,
)
from billing.operations.reconciliation import reconcile
from billing.operations.rollups import roll_up_day, roll_up_recent
from billing.operations.statements import StatementNotDue, close_statement
from billing.operations.top_ups import refresh_top_up
from billing.queries.balances import balance_of
from billing.queries.journal import ledger_of
from billing.queries.quotes import quote_generation
from billing.queries.usage import usage_of
from billing.reports import statement_pdf
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidRequest
from governance.kernel.ids import uuid7
from governance.kernel.money import format_usd, usd
from governance.models import Organization
from tests.billing.conftest import Account
from tests.billing.payments import checkout

OCTOBER, NOVEMBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


def past_credit(account: Account, amount: int, at: datetime) -> None:
    """A top-up that the journal booked in the past."""
    book_at(account.organization.id, "credit_paid", str(uuid7()), amount, "stripe_clearing", at)


def book_at(
    organization_id: UUID,
    kind: str,
    reference: str,
    amount: int,
    other: str,
    at: datetime,
    **facts: Any,
) -> None:
    row = LedgerTransaction.objects.create(
        kind=kind,
        external_reference=reference,
        organization_id=organization_id,
        event_at=at,
        booked_at=at,
        facts=facts,
    )
    LedgerEntry.objects.create(
        transaction=row, leg=0, account="wallet", organization_id=organization_id, amount=amount
    )
    LedgerEntry.objects.create(transaction=row, leg=1, account=other, amount=-amount)
    wallet, _ = Wallet.objects.get_or_create(organization_id=organization_id)
    wallet.posted += amount
    wallet.save()


def past_job(
    account: Account, at: datetime, *, images: int = 1, delivered: int = 1, side: int = 1024
) -> Hold:
    """A job that ended in the past; nothing delivered is a failure."""
    quote = quote_generation(
        release_slug="krea-2-tiny-turbo",
        variant="turbo",
        width=side,
        height=side,
        steps=8,
        images=images,
        at=at,
    )
    charged = quote.per_image * delivered
    hold = Hold.objects.create(
        organization=account.organization,
        project_id=account.key.key.project_id,
        api_key_id=account.key.key.id,
        job_id=uuid7(),
        idempotency_key=str(uuid7()),
        request_sha256="",
        amount=quote.amount,
        per_image=quote.per_image,
        price_version_id=quote.price_version_id,
        quote=quote.as_json(),
        state="captured" if delivered else "voided",
        captured=charged,
        reason="" if delivered else "engine_failed",
        created_at=at,
        resolved_at=at,
    )
    if delivered:
        book_at(
            account.organization.id,
            "capture",
            str(hold.id),
            -charged,
            "revenue",
            at,
            job=str(hold.job_id),
        )
    return hold


@pytest.fixture
def october(account: Account) -> Account:
    """A month of work: 62 jobs of two sizes, some failed, some partly delivered."""
    past_credit(account, usd(50), OCTOBER)
    for number in range(62):
        past_job(
            account,
            OCTOBER + timedelta(hours=12 * number),
            images=2,
            delivered=(2, 1, 0)[number % 3],
            side=(512, 1024)[number % 2],
        )
    return account


class TestAMonth:
    def test_dashboard_csv_statement_and_journal_agree(self, october: Account) -> None:
        organization = october.organization
        for day in range(31):
            roll_up_day(day=date(2026, 10, 1) + timedelta(days=day), at=now())
        statement = close_statement(organization_id=organization.id, ends_at=NOVEMBER, at=now())

        usage = usage_of(
            organization.id, since=date(2026, 10, 1), until=date(2026, 10, 31), by="size"
        )
        journal = LedgerEntry.objects.filter(
            account="wallet", organization=organization, transaction__kind="capture"
        ).aggregate(s=Sum("amount"))["s"]
        assert statement is not None
        lines = [line for line in statement.body["lines"] if line["kind"] == "capture"]
        rows = list(csv.DictReader(io.StringIO(as_csv(statement.body))))

        assert usage.charged == -journal == -sum(line["amount_microusd"] for line in lines)
        assert sum(sum(values) for _, values, _ in usage.days) == usage.charged
        assert int(rows[-1]["amount_microusd"]) == statement.closing == usd(50) + journal
        assert statement.closing == balance_of(organization.id).posted
        assert {line.images for line in usage.lines} == {line["images"] for line in lines}

    @pytest.mark.parametrize("by", ["project", "key", "member", "model", "size", "outcome"])
    def test_the_csv_of_usage_is_what_the_page_shows(
        self, october: Account, client: Client, owner: Any, by: str
    ) -> None:
        for day in range(31):
            roll_up_day(day=date(2026, 10, 1) + timedelta(days=day), at=now())
        client.force_login(owner)
        asked = f"since=2026-10-11&until=2026-10-20&by={by}"

        page = client.get(f"/o/{october.organization.slug}/usage/?{asked}").content.decode()
        reply = client.get(f"/o/{october.organization.slug}/usage.csv?{asked}")

        rows = list(csv.reader(io.StringIO(b"".join(reply).decode())))[1:]  # type: ignore[call-overload]
        table = re.search(r"<table><caption[^>]*>Usage by.*?</table>", page, re.DOTALL)
        assert table is not None
        cells = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table[0])
        shown = [[name, *re.findall(r'class="number">(.*?)</td>', rest)] for name, rest in cells]
        assert shown == [
            [name, jobs, images, format_usd(int(charged)), format_usd(int(before))]
            for name, jobs, images, charged, before in rows
        ]
        assert sum(int(row[3]) for row in rows) > 0
        assert sum(int(row[4]) for row in rows) > 0

    def test_every_grouping_sums_to_the_same(self, october: Account) -> None:
        for day in range(31):
            roll_up_day(day=date(2026, 10, 1) + timedelta(days=day), at=now())

        sums = {
            by: usage_of(
                october.organization.id, since=date(2026, 10, 1), until=date(2026, 10, 31), by=by
            ).charged
            for by in ("project", "key", "member", "model", "size", "outcome")
        }

        assert len(set(sums.values())) == 1
        outcomes = UsageRollup.objects.values_list("outcome", flat=True).distinct()
        assert set(outcomes) == {"delivered", "failed"}

    @pytest.mark.usefixtures("october")
    def test_a_day_made_again_is_the_same(self) -> None:
        first = roll_up_day(day=date(2026, 10, 3), at=now())
        again = roll_up_day(day=date(2026, 10, 3), at=now())

        assert first == again == UsageRollup.objects.count()

    def test_the_ledger_page_runs_down_to_zero(self, october: Account) -> None:
        cursor, lines = None, []
        while True:
            page = ledger_of(october.organization.id, cursor=cursor, limit=10)
            lines += page.lines
            cursor = page.next_cursor
            if cursor is None:
                break

        assert lines[0].balance == balance_of(october.organization.id).posted
        assert lines[-1].balance == lines[-1].amount == usd(50)
        assert all(a.balance - a.amount == b.balance for a, b in itertools.pairwise(lines))


class TestStatements:
    def test_closing_is_the_next_opening_and_the_chain_holds(self, october: Account) -> None:
        organization = october.organization
        past_job(october, NOVEMBER + timedelta(days=1))
        middle = OCTOBER + timedelta(days=15)
        made = [
            close_statement(organization_id=organization.id, ends_at=end, at=now())
            for end in (middle, NOVEMBER, NOVEMBER + timedelta(days=10))
        ]

        chain = [
            {"body": row.body, "previous_sha256": row.previous_sha256, "sha256": row.sha256}
            for row in Statement.objects.order_by("number")
        ]
        assert all(made)
        assert broken_links(chain) == []
        assert chain[-1]["body"]["closing_microusd"] == balance_of(organization.id).posted

    def test_a_changed_figure_breaks_the_chain(self, october: Account) -> None:
        close_statement(organization_id=october.organization.id, ends_at=NOVEMBER, at=now())
        row = Statement.objects.get()
        row.body["lines"][0]["amount_microusd"] += 1

        links = broken_links([{"body": row.body, "previous_sha256": "", "sha256": row.sha256}])

        assert len(links) == 2

    def test_a_month_closes_once(self, october: Account) -> None:
        organization_id = october.organization.id
        assert close_statement(organization_id=organization_id, ends_at=NOVEMBER, at=now())
        assert close_statement(organization_id=organization_id, ends_at=NOVEMBER, at=now()) is None

    def test_a_month_that_has_not_ended_does_not_close(self, october: Account) -> None:
        with pytest.raises(StatementNotDue):
            close_statement(
                organization_id=october.organization.id,
                ends_at=now() + timedelta(hours=1),
                at=now(),
            )

    def test_a_closed_period_takes_no_booking(self, october: Account) -> None:
        close_statement(organization_id=october.organization.id, ends_at=NOVEMBER, at=now())

        with pytest.raises(IntegrityError, match="is closed"), transaction.atomic():
            past_credit(october, usd(1), NOVEMBER - timedelta(seconds=1))
        with pytest.raises(Exception, match="Cannot update or delete"), transaction.atomic():
            Statement.objects.update(closing=0)

    def test_the_pdf_has_the_same_bytes_every_time(self, october: Account) -> None:
        statement = close_statement(
            organization_id=october.organization.id, ends_at=NOVEMBER, at=now()
        )
        assert statement is not None

        first, again = statement_pdf(statement), statement_pdf(statement)

        assert first == again
        assert first.startswith(b"%PDF-")

    @pytest.mark.django_db(transaction=True)
    def test_a_month_does_not_close_over_a_capture_that_began_in_it(self, account: Account) -> None:
        account.top_up(1_000)
        hold = account.hold(400)
        began, finish = threading.Event(), threading.Event()

        def slow_capture() -> None:
            with transaction.atomic():
                account.capture(hold.hold_id)
                began.set()
                finish.wait(20)
            connection.close()

        thread = threading.Thread(target=slow_capture)
        thread.start()
        began.wait(20)
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            end = cursor.fetchone()[0]
        finish_soon = threading.Timer(1.0, finish.set)
        finish_soon.start()
        outcomes = []
        for _ in range(60):
            try:
                outcomes.append(
                    close_statement(organization_id=account.organization.id, ends_at=end, at=now())
                )
                break
            except StatementNotDue:
                outcomes.append(None)
                finish.wait(0.2)
        thread.join()

        assert outcomes[-1] is not None
        assert outcomes[-1].closing == 600


class TestPrices:
    def body(self) -> dict[str, Any]:
        return json.loads(json.dumps(PriceVersion.objects.earliest("effective_from").body))

    @pytest.mark.usefixtures("october")
    def test_new_prices_bind_from_their_date_on_and_running_jobs_keep_theirs(self) -> None:
        at, dearer = now(), self.body()
        dearer["models"]["turbo"]["sizes"][1]["microusd"] *= 2
        begins = at + timedelta(days=1)
        asked = {
            "release_slug": "krea-2-tiny-turbo",
            "variant": "turbo",
            "width": 1024,
            "height": 1024,
            "steps": 8,
            "images": 1,
        }

        draft = draft_prices(label="2027", effective_from=begins, body=dearer, actor=SYSTEM, at=at)
        before_publishing = quote_generation(**asked, at=begins)
        simulation = publish_prices(version_id=draft.id, actor=SYSTEM, at=at)

        assert before_publishing.amount == 15_000
        assert quote_generation(**asked, at=begins - timedelta(seconds=1)).amount == 15_000
        assert quote_generation(**asked, at=begins).amount == 30_000
        assert simulation.would_charge >= simulation.charged

    @pytest.mark.usefixtures("october")
    def test_a_simulation_of_the_same_prices_is_what_was_charged(self) -> None:
        at = NOVEMBER

        simulation = simulate_prices(body=self.body(), at=at)

        charged = LedgerEntry.objects.filter(
            account="wallet",
            transaction__kind="capture",
            transaction__booked_at__gte=at - timedelta(days=30),
        ).aggregate(s=Sum("amount"))["s"]
        assert simulation.jobs > 0
        assert simulation.would_charge == simulation.charged == -charged

    @pytest.mark.usefixtures("db")
    def test_a_published_list_never_changes(self) -> None:
        version = PriceVersion.objects.earliest("effective_from")

        with pytest.raises(AlreadyPublished):
            publish_prices(version_id=version.id, actor=SYSTEM, at=now())
        with pytest.raises(Exception, match="Cannot update or delete"), transaction.atomic():
            PriceVersion.objects.filter(id=version.id).update(label="changed")

    @pytest.mark.usefixtures("db")
    def test_prices_begin_in_the_future(self) -> None:
        with pytest.raises(InvalidRequest):
            draft_prices(
                label="late", effective_from=now(), body=self.body(), actor=SYSTEM, at=now()
            )


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
