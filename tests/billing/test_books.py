"""A month in the books: prices, usage, statements, reconciliation agree to the microdollar."""

import csv
import io
import itertools
import re
import threading
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum
from django.test import Client
from django.utils.timezone import now

from billing.kernel.statements import as_csv, broken_links
from billing.models import (
    LedgerEntry,
    Statement,
    UsageRollup,
)
from billing.operations.rollups import roll_up_day
from billing.operations.statements import StatementNotDue, close_statement
from billing.queries.balances import balance_of
from billing.queries.journal import ledger_of
from billing.queries.usage import usage_of
from billing.reports import statement_pdf
from governance.kernel.money import format_usd, usd
from tests.billing.conftest import Account
from tests.billing.past import NOVEMBER, OCTOBER, past_credit, past_job


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
