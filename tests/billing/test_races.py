"""Many at once, with real threads on PostgreSQL: the balance is never overdrawn, nothing happens twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connections
from django.utils.timezone import now

from billing.models import (
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    BudgetWindow,
    Hold,
    LedgerTransaction,
)
from billing.operations.budgets import set_budget
from billing.operations.holds import (
    BudgetReached,
    HoldFenced,
    InsufficientBalance,
    KeyRevoked,
    capture_hold,
    expire_hold,
    fence_hold,
    void_hold,
)
from billing.queries.balances import balance_of
from governance.kernel.actors import SYSTEM
from governance.kernel.money import Microdollars
from governance.operations.api_keys import revoke_api_key
from tests.billing.conftest import Account

pytestmark = pytest.mark.django_db(transaction=True)
Funded = Callable[[int], Account]
T = TypeVar("T")


def at_once(jobs: list[Callable[[], T]]) -> list[T | Exception]:
    """Run every job on a thread and connection of its own, all released at the same moment."""
    gate = Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T | Exception:
        try:
            gate.wait(timeout=60)
            return job()
        except Exception as error:  # noqa: BLE001 (the race's losers are part of its result)
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def kinds(results: list[object]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for result in results:
        name = type(result).__name__
        counted[name] = counted.get(name, 0) + 1
    return counted


class TestHolds:
    def test_of_two_hundred_on_a_balance_for_seventy_three_exactly_seventy_three_succeed(
        self, funded: Funded
    ) -> None:
        account = funded(73_000)

        # 200 requests from 20 threads: as many connections as a server has, each asked ten times.
        results = at_once([lambda: [attempt(account) for _ in range(10)] for _ in range(20)])

        outcomes = [outcome for batch in results for outcome in batch]  # type: ignore[union-attr]
        assert kinds(outcomes) == {"HoldResult": 73, "InsufficientBalance": 127}
        assert balance_of(account.organization.id).available == 0

    def test_one_idempotency_key_makes_one_hold_whoever_comes_first(self, funded: Funded) -> None:
        account = funded(10_000)

        results = at_once([lambda: account.hold(100, key="same") for _ in range(12)])

        assert {result.hold_id for result in results} == {Hold.objects.get().id}  # type: ignore[union-attr]
        assert sum(result.created for result in results) == 1  # type: ignore[union-attr]
        assert balance_of(account.organization.id).held == 100

    def test_a_locked_budget_is_never_exceeded(self, funded: Funded) -> None:
        account = funded(100_000)
        for scope, subject in (
            (BudgetScope.ORGANIZATION, account.organization.id),
            (BudgetScope.API_KEY, account.key.key.id),
        ):
            set_budget(
                organization_id=account.organization.id,
                scope=scope,
                subject_id=subject,
                period=BudgetPeriod.DAY,
                action=BudgetAction.LOCK,
                limit=Microdollars(1_000 if scope == BudgetScope.API_KEY else 5_000),
                actor=SYSTEM,
                at=now(),
            )

        results = at_once([lambda: account.hold(100) for _ in range(16)])

        assert kinds(results) == {"HoldResult": 10, "BudgetReached": 6}
        assert set(BudgetWindow.objects.values_list("held", flat=True)) == {1_000}
        assert BudgetReached.status == 429

    def test_a_key_gets_no_hold_after_its_revocation(self, funded: Funded) -> None:
        account = funded(100_000)

        def revoke() -> object:
            return revoke_api_key(
                key_id=account.key.key.id,
                organization_id=account.organization.id,
                actor=SYSTEM,
                at=now(),
            )

        results = at_once([*[lambda: account.hold(1) for _ in range(15)], revoke])
        late = at_once([lambda: account.hold(1)])

        assert set(kinds(results)) <= {"HoldResult", "KeyRevoked", "ApiKey"}
        assert isinstance(late[0], KeyRevoked)


class TestEndings:
    @pytest.mark.parametrize("round_number", range(5))
    def test_capture_void_and_expiry_have_one_winner_and_one_booking(
        self, funded: Funded, round_number: int
    ) -> None:
        account = funded(1_000)
        hold = account.hold(400)

        results = at_once(
            [
                lambda: capture_hold(
                    hold_id=hold.hold_id, delivered_images=1, lease_epoch=0, at=now()
                ),
                lambda: void_hold(hold_id=hold.hold_id, reason="cancelled", at=now()),
                lambda: expire_hold(hold_id=hold.hold_id, at=now()),
            ]
        )

        captured = not isinstance(results[0], HoldFenced)
        assert [captured, results[1], results[2]].count(True) == 1
        balance = balance_of(account.organization.id)
        assert (balance.posted, balance.held) == (600 if captured else 1_000, 0)
        assert LedgerTransaction.objects.filter(kind="capture").count() == int(captured)

    def test_twenty_captures_of_one_hold_charge_once(self, funded: Funded) -> None:
        account = funded(1_000)
        hold = account.hold(400)

        results = at_once(
            [
                lambda: capture_hold(
                    hold_id=hold.hold_id, delivered_images=1, lease_epoch=0, at=now()
                )
                for _ in range(12)
            ]
        )

        assert [result.already for result in results].count(False) == 1  # type: ignore[union-attr]
        assert balance_of(account.organization.id).posted == 600

    def test_a_zombie_and_its_heir_charge_once(self, funded: Funded) -> None:
        account = funded(1_000)
        hold = account.hold(400)
        fence_hold(hold_id=hold.hold_id, lease_epoch=2)

        results = at_once(
            [
                lambda epoch=epoch: capture_hold(
                    hold_id=hold.hold_id, delivered_images=1, lease_epoch=epoch, at=now()
                )
                for epoch in (1, 2)
            ]
        )

        assert isinstance(results[0], HoldFenced)
        assert results[1].amount == 400  # type: ignore[union-attr]
        assert balance_of(account.organization.id).posted == 600


class TestMoneyIn:
    def test_one_credit_delivered_on_twenty_connections_is_booked_once(
        self, account: Account
    ) -> None:
        results = at_once([lambda: account.top_up(5_000, "pi_1") for _ in range(16)])

        assert results.count(True) == 1
        assert balance_of(account.organization.id).posted == 5_000

    def test_a_credit_that_races_a_hold_loses_nothing(self, funded: Funded) -> None:
        account = funded(1_000)

        results = at_once(
            [*[lambda: attempt(account) for _ in range(8)], lambda: account.top_up(5_000, "x")]
        )

        balance = balance_of(account.organization.id)
        placed = kinds(results).get("HoldResult", 0)
        assert balance.posted == 6_000
        assert balance.held == 1_000 * placed
        assert placed >= 1


def attempt(account: Account) -> object:
    """One hold of 1,000 µUSD, or the refusal."""
    try:
        return account.hold(1_000)
    except InsufficientBalance as refusal:
        return refusal
