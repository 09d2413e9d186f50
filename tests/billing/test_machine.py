"""The ledger against an independent model of it, through thousands of random steps.

Every answer of the ledger must be the model's, and after every step the wallet and the journal, after
every walk every invariant, must agree to the microdollar. Each step commits. A failing run prints its
steps; every run prints its seeds. ``LICET_MACHINE_SEED=n`` walks with another seed.
"""

import os
import sys
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
from django.utils.timezone import now
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    run_state_machine_as_test,
)

from billing.models import (
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    Hold,
    LedgerEntry,
    PriceVersion,
)
from billing.operations.budgets import set_budget
from billing.operations.holds import (
    BudgetReached,
    HoldFenced,
    HoldRequest,
    IdempotencyKeyReused,
    InsufficientBalance,
    KeyRevoked,
    capture_hold,
    expire_hold,
    fence_hold,
    place_hold,
    void_hold,
)
from billing.operations.prices import AlreadyPublished, draft_prices, publish_prices
from billing.operations.resolution import job_states
from billing.queries.balances import balance_of
from billing.queries.invariants import ledger_findings
from billing.queries.quotes import quote_generation
from governance.kernel.actors import SYSTEM
from governance.kernel.ids import uuid7
from governance.kernel.money import Microdollars
from governance.models import Project
from governance.operations.api_keys import create_api_key, revoke_api_key
from governance.operations.organizations import create_organization
from tests.billing.conftest import Account
from tests.billing.machine_credit import PICKS, CreditRules, act, falsy, same
from tests.billing.machine_model import Model, ModelHold

SEEDS = (20261125, 4, 1913)
WALKS, STEPS = 16, 60


class Ledger(CreditRules):
    """Random walks through everything that moves money."""

    numbers = 0
    # Price lists outlive a walk: they are the installation's. When each begins, and its base price.
    book: ClassVar[list[tuple[datetime, int]]] = []

    @initialize()
    def open_an_account(self) -> None:
        Ledger.numbers += 1
        organization = create_organization(
            slug=f"machine-{Ledger.numbers}", name="Machine", actor=SYSTEM
        )
        self.project = Project.objects.get(organization=organization)
        self.account = Account(
            organization, create_api_key(project=self.project, name="key", actor=SYSTEM, at=now())
        )
        self.id = organization.id
        self.model, self.clock = Model(), now()
        self.earlier = []
        self.pay_in(500_000)

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        broken = [
            violation
            for finding in ledger_findings(job_states)
            if "job" not in finding.name
            for violation in finding.violations
        ]
        assert not broken

    # Holds

    @act(
        8,
        side=st.sampled_from([512, 1024]),
        adapters=st.integers(0, 3),
        images=st.integers(1, 3),
        key=st.integers(0, 60),
        body=st.sampled_from("aab"),
    )
    def hold(self, side: int, adapters: int, images: int, key: int, body: str) -> None:
        """A new request at the price in force, or a replay with the same or another body."""
        name, known = f"k{key}", self.model.holds.get(f"k{key}")
        unit = (self.base() if side == 1024 else 4_000) + 1_000 * adapters
        quote = quote_generation(
            release_slug="any", variant="turbo", width=side, height=side, steps=8, images=images,
            adapters=adapters, at=self.clock,
        )  # fmt: skip
        assert quote.amount == unit * images
        request = HoldRequest(
            organization_id=self.id, project_id=self.project.id, job_id=uuid7(), quote=quote,
            api_key_id=self.account.key.key.id, idempotency_key=name, request_sha256=body,
            at=self.clock,
        )  # fmt: skip
        model, amount = self.model, unit * images
        over = model.limit is not None and model.spent + amount > model.limit
        try:
            result = place_hold(request=request)
        except IdempotencyKeyReused:
            assert known is not None
            assert known.body != body
            return self.step("replay with another body")
        except KeyRevoked:
            assert known is None
            assert model.revoked
            return self.step("hold, key revoked")
        except BudgetReached:
            assert known is None
            assert over
            return self.step("hold, budget reached")
        except InsufficientBalance:
            assert known is None
            assert model.posted - model.held < amount
            return self.step("hold, too little")
        if known is not None:
            assert (result.hold_id, result.created) == (known.hold_id, False)
            assert known.body == body
            return self.step("hold, replayed")
        assert result.created
        assert not model.revoked
        assert not over
        assert model.posted - model.held >= amount
        hold = ModelHold(result.hold_id, result.job_id, unit, images, body)
        model.holds[name] = hold
        if model.limit is not None:
            model.counted.add(name)
        self.earlier.append(lambda: falsy(place_hold(request=request).created))
        return self.step("hold")

    @act(6, pick=PICKS, images=st.integers(0, 3), stale=st.sampled_from([False, False, True]))
    def capture(self, pick: int, images: int, stale: bool) -> None:
        hold = self.chosen(pick)
        if hold is None:
            return
        delivered = min(images, hold.images)
        epoch = hold.epoch - 1 if stale else hold.epoch

        def ask() -> tuple[bool, int]:
            result = capture_hold(
                hold_id=hold.hold_id, delivered_images=delivered, lease_epoch=epoch, at=self.clock
            )
            return result.already, result.amount

        try:
            answer = ask()
        except HoldFenced:
            assert stale or hold.state in {"voided", "expired"}
            self.step("capture, fenced")
            return
        assert not stale
        if hold.state == "captured":
            assert answer == (True, hold.captured)
            self.step("capture, again")
            return
        assert hold.state == "open"
        hold.state, hold.captured = "captured", hold.unit * delivered
        assert answer == (False, hold.captured)
        self.model.posted -= hold.captured
        self.earlier.append(lambda: same(ask(), (True, hold.captured)))
        self.step("capture")

    @act(1, pick=PICKS)
    def claim(self, pick: int) -> None:
        hold = self.chosen(pick)
        if hold is not None and hold.state == "open":
            hold.epoch += 1
            fence_hold(hold_id=hold.hold_id, lease_epoch=hold.epoch)
            self.step("claim")

    @act(2, pick=PICKS, expires=st.booleans())
    def let_go(self, pick: int, expires: bool) -> None:
        hold = self.chosen(pick)
        if hold is None:
            return

        def ask() -> bool:
            if expires:
                return expire_hold(hold_id=hold.hold_id, at=self.clock)
            return void_hold(hold_id=hold.hold_id, reason="failed", at=self.clock)

        assert ask() == (hold.state == "open")
        if hold.state == "open":
            hold.state = "expired" if expires else "voided"
        self.earlier.append(lambda: falsy(ask()))
        self.step("expire" if expires else "void")

    # The world around

    @act(1, limit=st.integers(0, 400_000))
    def set_a_limit(self, limit: int) -> None:
        set_budget(
            organization_id=self.id, scope=BudgetScope.ORGANIZATION, subject_id=self.id,
            period=BudgetPeriod.MONTH, action=BudgetAction.LOCK, limit=Microdollars(limit),
            actor=SYSTEM, at=self.clock,
        )  # fmt: skip
        self.model.limit = limit
        self.step("budget")

    @act(1, chance=st.integers(0, 3))
    def change_the_key(self, chance: int) -> None:
        """Revoke now and then, and give the account a new key afterwards."""
        if self.model.revoked:
            self.account.key = create_api_key(
                project=self.project, name="next", actor=SYSTEM, at=self.clock
            )
            self.model.revoked = False
        elif chance == 0:
            key_id = self.account.key.key.id
            revoke_api_key(key_id=key_id, organization_id=self.id, actor=SYSTEM, at=self.clock)
            self.model.revoked = True
            self.step("key revoked")

    @act(1, base=st.integers(5, 40).map(lambda units: units * 1_000), hours=st.integers(1, 100))
    def publish_a_price(self, base: int, hours: int) -> None:
        begins = self.clock + timedelta(hours=hours, microseconds=len(Ledger.book))
        body = PriceVersion.objects.earliest("effective_from").body
        body["models"]["turbo"]["sizes"][1]["microusd"] = base
        draft = draft_prices(
            label="walk", effective_from=begins, body=body, actor=SYSTEM, at=self.clock
        )
        publish_prices(version_id=draft.id, actor=SYSTEM, at=self.clock)
        Ledger.book.append((begins, base))

        def ask() -> None:
            with pytest.raises(AlreadyPublished):
                publish_prices(version_id=draft.id, actor=SYSTEM, at=self.clock)

        self.earlier.append(ask)
        self.step("price published")

    @act(4, pick=PICKS)
    def replay(self, pick: int) -> None:
        """Any earlier request again, whatever has happened since: the invariants see that nothing moves."""
        if self.earlier:
            self.earlier[pick % len(self.earlier)]()
            self.step("replay")

    @invariant()
    def wallet_and_journal_are_the_models(self) -> None:
        if not hasattr(self, "model"):
            return
        balance = balance_of(self.id)
        assert (balance.posted, balance.held) == (self.model.posted, self.model.held)
        entries = LedgerEntry.objects.filter(organization_id=self.id, account="wallet")
        assert sum(entries.values_list("amount", flat=True)) == self.model.posted

    def base(self) -> int:
        """The model's price of a 1024 px image now."""
        begun = [(begins, base) for begins, base in Ledger.book if begins <= self.clock]
        return max(begun)[1] if begun else 15_000

    def chosen(self, pick: int) -> ModelHold | None:
        """Any hold, an open one more often."""
        holds = list(self.model.holds.values())
        if pick % 4:
            holds = [hold for hold in holds if hold.state == "open"] or holds
        return holds[pick // 4 % len(holds)] if holds else None


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(900)
def test_the_ledger_answers_as_an_independent_model_through_two_thousand_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = os.environ.get("LICET_MACHINE_SEED")
    Ledger.taken.clear()
    Ledger.book.clear()
    for number in [int(wanted)] if wanted else SEEDS:
        before = Ledger.taken.total()
        run_state_machine_as_test(
            seed(number)(Ledger),
            settings=settings(
                max_examples=WALKS,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
        with capsys.disabled():
            sys.stdout.write(
                f"\nledger machine: seed {number}, {Ledger.taken.total() - before} steps "
            )

    # Every kind of step was taken, not only the cheap ones.
    assert wanted or Ledger.taken.total() >= 2_000
    assert wanted or len(Ledger.taken) >= 24, Ledger.taken
    assert Hold.objects.exists()
