"""Requests of a busy organization admitted together: checked one by one, committed at once."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from django.utils.timezone import now

from billing.models import BudgetAction, BudgetPeriod, BudgetScope, BudgetWindow, Hold
from billing.operations import admission
from billing.operations.admission import Ticket, admit_hold, admit_together
from billing.operations.budgets import set_budget
from billing.operations.holds import (
    BudgetReached,
    HoldResult,
    IdempotencyKeyReused,
    InsufficientBalance,
    KeyRevoked,
    nothing,
)
from billing.queries.balances import balance_of
from billing.queries.invariants import QUESTIONS
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from governance.kernel.money import Microdollars
from governance.models import Project
from governance.operations.api_keys import create_api_key, revoke_api_key
from tests.billing.conftest import Account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]
Funded = Callable[[int], Account]
Answer = HoldResult | Exception


class Refused(DomainError):
    """What a condition of the caller says."""

    code = "refused"
    title = "Refused"
    status = 403


def together(tickets: list[Ticket]) -> list[Answer]:
    """Ask for all of them while the organization is busy, so that they are admitted as one group."""
    first, organization_id = threading.Event(), tickets[0].request.organization_id
    entered = threading.Event()

    def busy() -> None:
        entered.set()
        assert first.wait(timeout=60)
        raise Refused("It held the door.")

    def ask(ticket: Ticket) -> Answer:
        try:
            return admit_hold(
                request=ticket.request, require=ticket.require, write_job=ticket.write_job
            )
        except Exception as error:  # noqa: BLE001 (refusals are part of the result)
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(tickets) + 1) as pool:
        holder = Ticket(tickets[0].request, busy, nothing)
        pool.submit(ask, holder)
        assert entered.wait(timeout=60)
        answers: list[Future[Answer]] = []
        for number, ticket in enumerate(tickets, 1):
            answers.append(pool.submit(ask, ticket))
            wait_for(lambda number=number: waiting(organization_id) == number)
        first.set()
        return [answer.result(timeout=60) for answer in answers]


def waiting(organization_id: UUID) -> int:
    """How many stand before the turnstile of an organization."""
    return len(admission._turnstile._waiting.get(organization_id, ()))


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it is so; the test's own timeout ends a wait in vain."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.002)


def transactions() -> int:
    """In how many transactions the holds were written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM billing_hold")
        return int(cursor.fetchone()[0])


def broken() -> list[str]:
    """What breaks the ledger's invariants."""
    found = []
    with connection.cursor() as cursor:
        for name, _count, breakers in QUESTIONS:
            cursor.execute(breakers)
            found += [f"{name}: {row[0]}" for row in cursor.fetchall()]
    return found


def tickets(account: Account, *amounts: int) -> list[Ticket]:
    return [Ticket(account.request(amount), nothing, nothing) for amount in amounts]


def limit(account: Account, scope: BudgetScope, subject: UUID, amount: int) -> None:
    set_budget(
        organization_id=account.organization.id,
        scope=scope,
        subject_id=subject,
        period=BudgetPeriod.DAY,
        action=BudgetAction.LOCK,
        limit=Microdollars(amount),
        actor=SYSTEM,
        at=now(),
    )


def other_key(account: Account) -> Account:
    """The same organization through another key."""
    project = Project.objects.get(id=account.key.key.project_id)
    key = create_api_key(project=project, name="other", actor=SYSTEM, at=now())
    return Account(account.organization, key)


class TestAGroup:
    def test_of_those_that_wait_is_one_transaction(self, funded: Funded) -> None:
        account = funded(100_000)

        answers = together(tickets(account, *[1_000] * 8))

        assert all(isinstance(answer, HoldResult) and answer.created for answer in answers)
        assert transactions() == 1
        assert balance_of(account.organization.id).held == 8_000
        assert broken() == []

    def test_writes_every_jobs_rows(self, funded: Funded) -> None:
        account, written = funded(100_000), []
        group = [Ticket(account.request(1_000), nothing, written.append) for _ in range(4)]

        answers = together(group)

        assert written == [answer.hold_id for answer in answers]  # type: ignore[union-attr]
        assert set(written) == set(Hold.objects.values_list("id", flat=True))

    def test_takes_no_more_than_the_balance(self, funded: Funded) -> None:
        account = funded(3_500)

        answers = together(tickets(account, *[1_000] * 6))

        assert sum(isinstance(answer, HoldResult) for answer in answers) == 3
        assert sum(isinstance(answer, InsufficientBalance) for answer in answers) == 3
        assert balance_of(account.organization.id).available == 500
        assert broken() == []

    def test_of_a_test_key_holds_nothing(self, funded: Funded) -> None:
        account = funded(10_000)
        request = account.request(1_000)
        free = replace(request, test_mode=True)

        together([Ticket(free, nothing, nothing), *tickets(account, 1_000)])

        assert balance_of(account.organization.id).held == 1_000


class TestTheChecks:
    """Every member of a group meets the refusal it would meet alone, and nobody else's."""

    def test_a_revoked_key_gets_nothing(self, funded: Funded) -> None:
        account = funded(100_000)
        revoked = other_key(account)
        revoke_api_key(
            key_id=revoked.key.key.id,
            organization_id=account.organization.id,
            actor=SYSTEM,
            at=now(),
        )

        answers = together(
            [*tickets(account, 1_000), *tickets(revoked, 1_000), *tickets(account, 9)]
        )

        assert [type(answer) for answer in answers] == [HoldResult, KeyRevoked, HoldResult]
        assert balance_of(account.organization.id).held == 1_009
        assert broken() == []

    def test_an_expired_key_gets_nothing(self, funded: Funded) -> None:
        account = funded(100_000)
        expired = other_key(account)
        type(expired.key.key).objects.filter(id=expired.key.key.id).update(
            expires_at=now() - timedelta(seconds=1)
        )

        answers = together([*tickets(expired, 1_000), *tickets(account, 1_000)])

        assert [type(answer) for answer in answers] == [KeyRevoked, HoldResult]

    def test_a_locked_budget_is_filled_in_the_order_of_arrival_and_not_exceeded(
        self, funded: Funded
    ) -> None:
        account = funded(100_000)
        other = other_key(account)
        limit(account, BudgetScope.API_KEY, account.key.key.id, 2_500)
        limit(account, BudgetScope.ORGANIZATION, account.organization.id, 4_000)

        answers = together(
            [*tickets(account, 1_000, 1_000, 1_000, 500), *tickets(other, 2_000, 1_500)]
        )

        assert [type(answer) for answer in answers] == [
            HoldResult, HoldResult, BudgetReached, HoldResult, BudgetReached, HoldResult,
        ]  # fmt: skip
        assert answers[2].facts["spent_microusd"] == 2_000  # type: ignore[union-attr]
        assert sorted(BudgetWindow.objects.values_list("held", flat=True)) == [2_500, 4_000]
        assert broken() == []

    def test_members_and_projects_are_counted_too(self, funded: Funded) -> None:
        account, member = funded(100_000), UUID(int=7)
        limit(account, BudgetScope.MEMBER, member, 1_000)
        limit(account, BudgetScope.PROJECT, account.key.key.project_id, 2_000)
        of_member = [
            Ticket(account.request(900, member=member), nothing, nothing) for _ in range(2)
        ]

        answers = together([*of_member, *tickets(account, 1_100, 1)])

        assert [type(answer) for answer in answers] == [
            HoldResult, BudgetReached, HoldResult, BudgetReached,
        ]  # fmt: skip
        assert broken() == []

    def test_a_replay_is_answered_and_another_body_refused(self, funded: Funded) -> None:
        account = funded(100_000)
        first = account.hold(500, key="same", body="a")
        again = Ticket(account.request(500, key="same", body="a"), nothing, nothing)

        answers = together([*tickets(account, 1_000), again])
        wrong = together(
            [*tickets(account, 1_000), Ticket(account.request(5, key="same"), nothing, nothing)]
        )

        assert answers[1] == HoldResult(first.hold_id, 500, created=False, job_id=first.job_id)
        assert isinstance(wrong[1], IdempotencyKeyReused)
        assert balance_of(account.organization.id).held == 2_500

    def test_one_key_twice_in_the_queue_makes_one_hold(self, funded: Funded) -> None:
        account = funded(100_000)
        group = [Ticket(account.request(500, key="same"), nothing, nothing) for _ in range(4)]

        answers = together([*tickets(account, 1_000), *group])

        assert len({answer.hold_id for answer in answers[1:]}) == 1  # type: ignore[union-attr]
        assert sum(answer.created for answer in answers[1:]) == 1  # type: ignore[union-attr]

    def test_a_callers_own_condition_concerns_its_request_alone(self, funded: Funded) -> None:
        account = funded(100_000)

        def refuse() -> None:
            raise Refused("The model was revoked.")

        answers = together(
            [*tickets(account, 1_000), Ticket(account.request(1_000), refuse, nothing)]
        )

        assert [type(answer) for answer in answers] == [HoldResult, Refused]
        assert Hold.objects.count() == 1

    def test_rows_that_cannot_be_written_concern_their_job_alone(self, funded: Funded) -> None:
        account = funded(100_000)

        def fail(_hold: UUID) -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

        answers = together(
            [
                *tickets(account, 1_000),
                Ticket(account.request(1_000), nothing, fail),
                *tickets(account, 1_000),
            ]
        )

        assert [type(answer).__name__ for answer in answers] == [
            "HoldResult", "DataError", "HoldResult",
        ]  # fmt: skip
        assert balance_of(account.organization.id).held == 2_000
        assert broken() == []


def test_groups_of_two_processes_do_not_deadlock_over_budgets_in_opposite_order(
    funded: Funded,
) -> None:
    account = funded(10_000_000)
    other = other_key(account)
    for each in (account, other):
        limit(account, BudgetScope.API_KEY, each.key.key.id, 5_000_000)
    errors: list[Exception] = []

    def admit(first: Account, second: Account) -> None:
        try:
            for _ in range(25):
                admit_together([*tickets(first, 10), *tickets(second, 10)])
        except Exception as error:  # noqa: BLE001 (told by the main thread)
            errors.append(error)
        finally:
            connections.close_all()

    pairs = [(account, other), (other, account)] * 2
    threads = [threading.Thread(target=admit, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert Hold.objects.count() == 200
    assert broken() == []


def test_alone_nobody_waits(funded: Funded) -> None:
    account = funded(10_000)

    result = admit_hold(request=account.request(1_000))

    assert result.created
    assert account.organization.id not in admission._turnstile._waiting


def test_within_a_callers_transaction_nobody_is_waited_for_or_taken_along(funded: Funded) -> None:
    account = funded(10_000)
    [inside] = tickets(account, 1_000)
    assert admission._turnstile.enter(inside)

    with transaction.atomic():
        result = admit_hold(request=account.request(1_000))

    admission._turnstile.leave(inside)
    assert result.created
