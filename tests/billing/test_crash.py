"""kill -9 before and after every commit of the money path: done again, everything happened once.

The crash is real: a forked process that kills itself at its n-th commit. Then the same call is made
again, as a client, a webhook or the janitor would, and the books must agree.
"""

import json
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.timezone import now

from billing.gateways.configured import stand_in
from billing.gateways.fake import world
from billing.gateways.signatures import read_event
from billing.models import FakeStripeObject, Hold, PaymentProfile, Refund, TopUp, Wallet
from billing.operations.automatic_top_up import set_automatic_top_up, top_up_automatically
from billing.operations.events import receive_event
from billing.operations.payment_janitor import ask_about_payments
from billing.operations.refunds import request_refund
from billing.operations.top_ups import refresh_top_up
from billing.queries.balances import balance_of
from billing.queries.invariants import QUESTIONS
from governance.kernel.actors import SYSTEM
from governance.kernel.money import usd
from tests.billing.conftest import Account
from tests.billing.payments import checkout, credit_violations, events

pytestmark = pytest.mark.django_db(transaction=True)
MOST_COMMITS = 12


def dies_at(act: Callable[[], Any], commit: int, *, before: bool) -> bool:
    """Run ``act`` in a process that kills itself around its n-th commit; False if it never came."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            commits, real = iter(range(1, 1_000)), BaseDatabaseWrapper._commit

            def fatal(wrapper: BaseDatabaseWrapper) -> None:
                fatally = next(commits) == commit
                if fatally and before:
                    os.kill(os.getpid(), signal.SIGKILL)
                real(wrapper)
                if fatally:
                    os.kill(os.getpid(), signal.SIGKILL)

            BaseDatabaseWrapper._commit = fatal
            act()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def violations() -> list[str]:
    """Everything that check_ledger asks of the tables."""
    found = credit_violations()
    with connection.cursor() as cursor:
        for name, _count, breakers in QUESTIONS:
            cursor.execute(breakers)
            found += [f"{name}: {row[0]}" for row in cursor.fetchall()]
    return found


def at_every_commit(act: Callable[[int], Any], again: Callable[[int], Any]) -> int:
    """Crash before and after each commit of ``act``, then do it ``again``; returns how many crashes."""
    crashes, round_number = 0, 0
    for before in (True, False):
        for commit in range(1, MOST_COMMITS):
            round_number += 1
            here = round_number
            crashed = dies_at(lambda here=here: act(here), commit, before=before)
            again(here)
            assert violations() == [], f"commit {commit}, {'before' if before else 'after'}"
            if not crashed:
                break
            crashes += 1
    return crashes


class TestHolds:
    def test_a_hold_is_made_once(self, account: Account) -> None:
        account.top_up(usd(10))

        crashes = at_every_commit(
            lambda n: account.hold(1_000, key=f"key {n}", job=job(n)),
            lambda n: account.hold(1_000, key=f"key {n}", job=job(n)),
        )

        assert crashes >= 2
        assert Wallet.objects.get().held == 1_000 * Hold.objects.count()

    def test_a_capture_charges_once(self, account: Account) -> None:
        account.top_up(usd(10))
        holds = [account.hold(1_000).hold_id for _ in range(2 * MOST_COMMITS)]

        crashes = at_every_commit(
            lambda n: account.capture(holds[n]), lambda n: account.capture(holds[n])
        )

        captured = Hold.objects.filter(state="captured").count()
        assert crashes >= 2
        assert balance_of(account.organization.id).posted == usd(10) - 1_000 * captured

    def test_a_release_releases_once(self, account: Account) -> None:
        account.top_up(usd(10))
        holds = [account.hold(1_000).hold_id for _ in range(2 * MOST_COMMITS)]

        crashes = at_every_commit(
            lambda n: account.void(holds[n]), lambda n: account.void(holds[n])
        )

        assert crashes >= 2
        assert Wallet.objects.get().held == 1_000 * Hold.objects.filter(state="open").count()


class TestMoneyIn:
    def test_a_payment_is_credited_once_wherever_the_page_dies(self, account: Account) -> None:
        organization_id = account.organization.id

        def pay_and_return(_n: int) -> None:
            top_up = checkout(organization_id, stand_in())
            world.pay_checkout(top_up.checkout_session or "", "pm_card_visa")
            refresh_top_up(top_up=top_up, gateway=stand_in(), actor=SYSTEM, at=now())

        crashes = at_every_commit(pay_and_return, lambda _n: janitor(hours=1))

        paid = FakeStripeObject.objects.filter(kind="charge").count()
        assert crashes >= 8
        assert balance_of(organization_id).posted == usd(25) * paid

    def test_a_webhook_that_dies_is_sent_again_and_has_its_effect_once(
        self, account: Account
    ) -> None:
        organization_id = account.organization.id
        for _ in range(MOST_COMMITS):
            top_up = checkout(organization_id, stand_in())
            world.pay_checkout(top_up.checkout_session or "", "pm_card_visa")
        bodies = [json.dumps(event).encode() for event in events("payment_intent.succeeded")]

        def receive(n: int) -> None:
            receive_event(event=read_event(bodies[n]), gateway=stand_in(), at=now())

        crashes = at_every_commit(receive, receive)

        credited = TopUp.objects.filter(state="succeeded").count()
        assert crashes >= 2
        assert balance_of(organization_id).posted == usd(25) * credited

    def test_an_automatic_top_up_that_dies_charges_once(self, account: Account) -> None:
        organization_id = account.organization.id
        top_up = checkout(organization_id, stand_in(), save=True)
        world.pay_checkout(top_up.checkout_session or "", "pm_card_visa")
        refresh_top_up(top_up=top_up, gateway=stand_in(), actor=SYSTEM, at=now())
        set_automatic_top_up(
            organization_id=organization_id,
            threshold=usd(9_000),
            amount=usd(25),
            monthly_ceiling=usd(9_000),
            actor=SYSTEM,
        )

        def charge(_n: int) -> None:
            top_up_automatically(organization_id=organization_id, gateway=stand_in(), at=now())

        def give_up_or_find(_n: int) -> None:
            janitor(hours=30)
            PaymentProfile.objects.update(automatic=True, declines=0, retry_after=None)

        crashes = at_every_commit(charge, give_up_or_find)

        charges = FakeStripeObject.objects.filter(kind="charge").count()
        assert crashes >= 4
        assert balance_of(organization_id).posted == usd(25) * charges
        assert not TopUp.objects.filter(trigger="automatic", state="creating").exists()

    def test_a_refund_that_dies_pays_back_once(self, account: Account) -> None:
        organization_id = account.organization.id
        top_up = checkout(organization_id, stand_in(), usd(1_000))
        world.pay_checkout(top_up.checkout_session or "", "pm_card_visa")
        refresh_top_up(top_up=top_up, gateway=stand_in(), actor=SYSTEM, at=now())

        def refund(_n: int) -> None:
            request_refund(
                organization_id=organization_id,
                top_up_id=top_up.id,
                amount=usd(10),
                reason="asked for",
                actor=SYSTEM,
                at=now(),
                gateway=stand_in(),
            )

        crashes = at_every_commit(refund, lambda _n: janitor(hours=1))

        paid_back = FakeStripeObject.objects.filter(kind="refund").count()
        assert crashes >= 4
        assert Refund.objects.exclude(state="succeeded").count() == 0
        assert balance_of(organization_id).posted == usd(1_000) - usd(10) * paid_back


def janitor(*, hours: int) -> None:
    """The janitor comes by, later."""
    ask_about_payments(gateway=stand_in(), at=now() + timedelta(hours=hours))


def job(number: int) -> UUID:
    """The job of a round, the same when it is asked for again."""
    return UUID(int=number)
