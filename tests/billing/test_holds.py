"""Holds: set aside, captured, voided; never more than there is, never twice."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils.timezone import now

from billing.models import (
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    Hold,
    LedgerEntry,
    PriceVersion,
    Wallet,
)
from billing.operations.budgets import set_budget
from billing.operations.holds import (
    BudgetReached,
    HoldFenced,
    IdempotencyKeyReused,
    InsufficientBalance,
    KeyRevoked,
    capture_hold,
    expire_hold,
    fence_hold,
    void_hold,
)
from billing.operations.journal import Leg, book
from billing.queries.balances import balance_of
from billing.queries.ledger import lines_of_job
from governance.kernel.actors import SYSTEM
from governance.kernel.ids import uuid7
from governance.kernel.money import Microdollars
from governance.operations.api_keys import revoke_api_key
from tests.billing.conftest import Account, state_of

pytestmark = pytest.mark.django_db
Funded = Callable[[int], Account]


class TestPlaceHold:
    def test_takes_the_last_microdollar(self, funded: Funded) -> None:
        account = funded(1_000)

        account.hold(700)
        account.hold(300)

        assert balance_of(account.organization.id).available == 0

    def test_refuses_one_more_than_is_available(self, funded: Funded) -> None:
        account = funded(1_000)
        account.hold(700)

        with pytest.raises(InsufficientBalance) as refusal:
            account.hold(301)

        assert refusal.value.facts == {"required_microusd": 301, "available_microusd": 300}
        assert Hold.objects.count() == 1

    def test_the_same_key_and_body_return_the_first_hold(self, funded: Funded) -> None:
        account = funded(1_000)
        first = account.hold(400, key="k")

        again = account.hold(400, key="k")

        assert (again.hold_id, again.created) == (first.hold_id, False)
        assert balance_of(account.organization.id).held == 400

    def test_the_same_key_with_another_body_is_refused(self, funded: Funded) -> None:
        account = funded(1_000)
        account.hold(400, key="k")

        with pytest.raises(IdempotencyKeyReused):
            account.hold(400, key="k", body="other")

    def test_a_replay_is_answered_although_the_wallet_is_empty_by_now(self, funded: Funded) -> None:
        account = funded(400)
        first = account.hold(400, key="k")

        assert account.hold(400, key="k").hold_id == first.hold_id

    def test_a_revoked_key_holds_nothing(self, funded: Funded) -> None:
        account = funded(1_000)
        revoke_api_key(
            key_id=account.key.key.id,
            organization_id=account.organization.id,
            actor=SYSTEM,
            at=now(),
        )

        with pytest.raises(KeyRevoked):
            account.hold(1)


class TestCaptureHold:
    def test_charges_the_delivered_images_and_releases_the_rest(self, funded: Funded) -> None:
        account = funded(1_000)
        hold = account.hold(400, images=4)

        result = capture_hold(hold_id=hold.hold_id, delivered_images=3, lease_epoch=0, at=now())

        balance = balance_of(account.organization.id)
        assert (result.amount, balance.posted, balance.held) == (300, 700, 0)

    def test_asked_again_returns_the_recorded_outcome(self, funded: Funded) -> None:
        account = funded(1_000)
        hold = account.hold(400)
        capture_hold(hold_id=hold.hold_id, delivered_images=1, lease_epoch=0, at=now())

        again = capture_hold(hold_id=hold.hold_id, delivered_images=1, lease_epoch=0, at=now())

        assert (again.amount, again.already) == (400, True)
        assert balance_of(account.organization.id).posted == 600

    def test_an_earlier_attempt_is_fenced_off(self, funded: Funded) -> None:
        hold = funded(1_000).hold(400)
        fence_hold(hold_id=hold.hold_id, lease_epoch=2)

        with pytest.raises(HoldFenced):
            capture_hold(hold_id=hold.hold_id, delivered_images=1, lease_epoch=1, at=now())

    def test_a_voided_hold_cannot_be_captured(self, funded: Funded) -> None:
        hold = funded(1_000).hold(400)
        void_hold(hold_id=hold.hold_id, reason="cancelled", at=now())

        with pytest.raises(HoldFenced):
            capture_hold(hold_id=hold.hold_id, delivered_images=1, lease_epoch=0, at=now())

    def test_its_lines_tell_people_what_happened(self, funded: Funded) -> None:
        account = funded(1_000_000)
        hold = account.hold(400_000, images=4)
        capture_hold(hold_id=hold.hold_id, delivered_images=3, lease_epoch=0, at=now())

        lines = lines_of_job(hold.job_id)

        assert [(line.kind, line.text) for line in lines] == [
            ("hold", "$0.40 set aside"),
            ("capture", "$0.30 charged"),
            ("release", "$0.10 released"),
        ]


class TestRelease:
    @pytest.mark.parametrize("end", ["void", "expire"])
    def test_gives_everything_back_and_writes_no_journal(self, funded: Funded, end: str) -> None:
        account = funded(1_000)
        hold = account.hold(400)
        entries = LedgerEntry.objects.count()

        if end == "void":
            void_hold(hold_id=hold.hold_id, reason="failed", at=now())
        else:
            expire_hold(hold_id=hold.hold_id, at=now())

        assert balance_of(account.organization.id).available == 1_000
        assert LedgerEntry.objects.count() == entries

    def test_happens_once(self, funded: Funded) -> None:
        account = funded(1_000)
        hold = account.hold(400)
        assert void_hold(hold_id=hold.hold_id, reason="failed", at=now())

        assert not expire_hold(hold_id=hold.hold_id, at=now())
        assert state_of(hold) == "voided"
        assert balance_of(account.organization.id).available == 1_000


class TestBudgets:
    def lock(
        self, account: Account, limit: int, scope: BudgetScope = BudgetScope.ORGANIZATION
    ) -> None:
        subjects = {
            BudgetScope.ORGANIZATION: account.organization.id,
            BudgetScope.PROJECT: account.key.key.project_id,
            BudgetScope.API_KEY: account.key.key.id,
        }
        set_budget(
            organization_id=account.organization.id,
            scope=scope,
            subject_id=subjects[scope],
            period=BudgetPeriod.DAY,
            action=BudgetAction.LOCK,
            limit=Microdollars(limit),
            actor=SYSTEM,
            at=now(),
        )

    @pytest.mark.parametrize(
        "scope", [BudgetScope.ORGANIZATION, BudgetScope.PROJECT, BudgetScope.API_KEY]
    )
    def test_a_lock_refuses_the_first_microdollar_over_it(
        self, funded: Funded, scope: BudgetScope
    ) -> None:
        account = funded(1_000)
        self.lock(account, 500, scope)
        account.hold(500)

        with pytest.raises(BudgetReached) as refusal:
            account.hold(1)

        assert refusal.value.facts["spent_microusd"] == 500
        assert balance_of(account.organization.id).held == 500

    def test_a_voided_hold_frees_its_budget(self, funded: Funded) -> None:
        account = funded(1_000)
        self.lock(account, 500)
        hold = account.hold(500)

        void_hold(hold_id=hold.hold_id, reason="failed", at=now())

        assert account.hold(500).created

    def test_a_part_capture_counts_only_what_was_charged(self, funded: Funded) -> None:
        account = funded(1_000)
        self.lock(account, 500)
        hold = account.hold(500, images=5)

        capture_hold(hold_id=hold.hold_id, delivered_images=2, lease_epoch=0, at=now())

        assert account.hold(300).created
        with pytest.raises(BudgetReached):
            account.hold(1)

    def test_an_alert_lets_requests_continue(self, funded: Funded) -> None:
        account = funded(1_000)
        set_budget(
            organization_id=account.organization.id,
            scope=BudgetScope.ORGANIZATION,
            subject_id=account.organization.id,
            period=BudgetPeriod.MONTH,
            action=BudgetAction.ALERT,
            limit=Microdollars(10),
            actor=SYSTEM,
            at=now(),
        )

        assert account.hold(900).created


def execute(*statements: str) -> None:
    """Round the models."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


class TestTheDatabase:
    """Round the models."""

    def test_refuses_unbalanced_legs_at_commit(self, funded: Funded) -> None:
        account = funded(1_000)
        book(
            kind="adjustment",
            external_reference="x",
            organization_id=account.organization.id,
            legs=[Leg("wallet", 5, account.organization.id), Leg("adjustment", -5)],
            event_at=now(),
        )
        with pytest.raises(IntegrityError, match="sum to 7"), transaction.atomic():
            execute(
                "INSERT INTO billing_ledger_entry (id, transaction_id, leg, account, amount) "
                "SELECT gen_random_uuid(), id, 9, 'revenue', 7 "
                "FROM billing_ledger_transaction WHERE external_reference = 'x'",
                "SET CONSTRAINTS ALL IMMEDIATE",
            )

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE billing_ledger_entry SET amount = amount + 1",
            "DELETE FROM billing_ledger_entry",
            "UPDATE billing_ledger_transaction SET kind = 'other'",
            "DELETE FROM billing_ledger_transaction",
            "UPDATE billing_price_version SET body = '{}'",
        ],
    )
    def test_refuses_to_change_what_was_booked(self, funded: Funded, statement: str) -> None:
        funded(1_000)

        with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
            execute(statement)

    def test_refuses_a_second_resolution_of_a_hold(self, funded: Funded) -> None:
        hold = funded(1_000).hold(400)
        void_hold(hold_id=hold.hold_id, reason="failed", at=now())

        with pytest.raises(IntegrityError, match="already voided"), transaction.atomic():
            Hold.objects.filter(id=hold.hold_id).update(state="captured", captured=400)

    def test_refuses_a_capture_above_the_hold(self, funded: Funded) -> None:
        hold = funded(1_000).hold(400)

        with pytest.raises(IntegrityError, match="captured_within_amount"), transaction.atomic():
            Hold.objects.filter(id=hold.hold_id).update(
                state="captured", captured=401, resolved_at=now()
            )

    @pytest.mark.parametrize("published", [None, "unknown"])
    def test_refuses_a_hold_without_a_published_price_list(
        self, funded: Funded, published: str | None
    ) -> None:
        hold = funded(1_000).hold(400)
        draft = PriceVersion.objects.create(
            label="Draft", effective_from=now() + timedelta(days=9), body={}, sha256="0"
        )
        named = uuid7() if published else draft.id

        with pytest.raises(IntegrityError, match="no published price list"), transaction.atomic():
            Hold.objects.filter(id=hold.hold_id).update(price_version_id=named)

    def test_refuses_to_delete_a_price_list_that_holds_may_name(self, funded: Funded) -> None:
        funded(1_000).hold(400)

        with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
            execute("DELETE FROM billing_price_version")

    def test_refuses_to_hold_less_than_nothing(self, funded: Funded) -> None:
        account = funded(1_000)

        with pytest.raises(IntegrityError, match="held_not_negative"), transaction.atomic():
            Wallet.objects.filter(organization=account.organization).update(held=-1)


class TestCheckLedger:
    def test_finds_nothing_wrong_with_a_ledger_without_jobs(
        self, funded: Funded, capsys: pytest.CaptureFixture[str]
    ) -> None:
        funded(1_000)

        call_command("check_ledger", "--json")

        assert '"violations": 0' in capsys.readouterr().out

    def test_exits_with_1_and_names_a_wallet_that_was_changed_by_hand(
        self, funded: Funded, capsys: pytest.CaptureFixture[str]
    ) -> None:
        account = funded(1_000)
        Wallet.objects.filter(organization=account.organization).update(posted=1_001)

        with pytest.raises(SystemExit) as ended:
            call_command("check_ledger")

        assert ended.value.code == 1
        assert f"{account.organization.id} posted 1001, entries 1000" in capsys.readouterr().out

    def test_names_a_hold_whose_job_is_unknown(
        self, funded: Funded, capsys: pytest.CaptureFixture[str]
    ) -> None:
        hold = funded(1_000).hold(10)

        with pytest.raises(SystemExit):
            call_command("check_ledger")

        assert f"hold {hold.hold_id} is open, its job" in capsys.readouterr().out


def test_holds_are_resolved_by_the_jobs_state_never_by_the_clock_alone(funded: Funded) -> None:
    from billing.operations.resolving import resolve_open_holds

    account = funded(1_000)
    hold = account.hold(10)

    assert resolve_open_holds(at=now() + timedelta(minutes=30)) == 0
    assert resolve_open_holds(at=now() + timedelta(hours=2)) == 1
    assert state_of(hold) == "expired"
