"""The ledger against an independent model of it, through thousands of random steps.

The model is a few dictionaries and knows nothing of the database. Every answer of the ledger must be the
model's, and after every run the wallet, the holds, the budgets and the journal must agree to the
microdollar. A failing run prints its steps and its seed.
"""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils.timezone import now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from billing.models import (
    BudgetAction,
    BudgetPeriod,
    BudgetScope,
    BudgetWindow,
    Hold,
    LedgerEntry,
)
from billing.operations.budgets import set_budget
from billing.operations.holds import (
    BudgetReached,
    HoldFenced,
    HoldResult,
    IdempotencyKeyReused,
    InsufficientBalance,
    KeyRevoked,
    capture_hold,
    expire_hold,
    fence_hold,
    void_hold,
)
from billing.operations.resolution import job_states
from billing.queries.balances import balance_of
from billing.queries.invariants import ledger_findings
from governance.kernel.actors import SYSTEM
from governance.kernel.money import Microdollars
from governance.models import Project
from governance.operations.api_keys import create_api_key, revoke_api_key
from governance.operations.organizations import create_organization
from tests.billing.conftest import Account

AMOUNTS = st.integers(0, 5_000)
PICKS = st.integers(0, 10_000)


@dataclass
class ModelHold:
    """A hold as the model sees it."""

    result: HoldResult
    amount: int
    images: int
    body: str
    state: str = "open"
    captured: int = 0
    epoch: int = 0


@dataclass
class Model:
    """The money of one organization in plain Python."""

    posted: int = 0
    limit: int | None = None
    revoked: bool = False
    holds: dict[str, ModelHold] = field(default_factory=dict)
    credits: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)

    @property
    def held(self) -> int:
        return sum(hold.amount for hold in self.holds.values() if hold.state == "open")

    @property
    def spent(self) -> int:
        """What the budget's window counts: holds that were placed while it was in force."""
        return sum(
            hold.amount if hold.state == "open" else hold.captured
            for key, hold in self.holds.items()
            if key in self.counted
        )


class Ledger(RuleBasedStateMachine):
    """Random walks through everything that moves money."""

    numbers = 0

    @initialize()
    def open_an_account(self) -> None:
        Ledger.numbers += 1
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        organization = create_organization(
            slug=f"machine-{Ledger.numbers}", name="Machine", actor=SYSTEM
        )
        self.project = Project.objects.get(organization=organization)
        self.account = Account(
            organization,
            create_api_key(project=self.project, name="key", actor=SYSTEM, at=now()),
        )
        self.model = Model()

    def teardown(self) -> None:
        if not hasattr(self, "savepoint"):
            return
        broken = [
            violation
            for finding in ledger_findings(job_states)
            if "job" not in finding.name
            for violation in finding.violations
        ]
        transaction.set_rollback(True)
        self.savepoint.__exit__(None, None, None)
        assert not broken

    @rule(amount=st.integers(1, 20_000), reference=st.integers(0, 30))
    def top_up(self, amount: int, reference: int) -> None:
        name = f"{self.account.organization.id}:{reference}"
        credited = self.account.top_up(amount, name)

        assert credited == (name not in self.model.credits)
        if credited:
            self.model.credits.add(name)
            self.model.posted += amount

    @rule(
        unit=AMOUNTS, images=st.integers(1, 4), key=st.integers(0, 60), body=st.sampled_from("ab")
    )
    def hold(self, unit: int, images: int, key: int, body: str) -> None:
        """A new request, or the replay of an earlier one with the same or another body."""
        amount, name = unit * images, f"k{key}"
        known = self.model.holds.get(name)
        try:
            with transaction.atomic():
                result = self.account.hold(amount, key=name, body=body, images=images)
        except IdempotencyKeyReused:
            assert known is not None
            assert known.body != body
            return
        except KeyRevoked:
            assert known is None
            assert self.model.revoked
            return
        except BudgetReached:
            assert known is None
            assert self.model.limit is not None
            assert self.model.spent + amount > self.model.limit
            return
        except InsufficientBalance:
            assert known is None
            assert self.model.posted - self.model.held < amount
            return
        if known is not None:
            assert (result.hold_id, result.created) == (known.result.hold_id, False)
            assert known.body == body
            return
        assert result.created
        assert not self.model.revoked
        assert self.model.posted - self.model.held >= amount
        assert self.model.limit is None or self.model.spent + amount <= self.model.limit
        self.model.holds[name] = ModelHold(result, amount, images, body)
        if self.model.limit is not None:
            self.model.counted.add(name)

    @rule(pick=PICKS, images=st.integers(0, 4), stale=st.booleans())
    def capture(self, pick: int, images: int, stale: bool) -> None:
        hold = self.chosen(pick)
        if hold is None:
            return
        delivered = min(images, hold.images)
        epoch = hold.epoch - 1 if stale else hold.epoch
        try:
            with transaction.atomic():
                result = capture_hold(
                    hold_id=hold.result.hold_id,
                    delivered_images=delivered,
                    lease_epoch=epoch,
                    at=now(),
                )
        except HoldFenced:
            assert stale or hold.state in {"voided", "expired"}
            return
        assert not stale
        if hold.state == "captured":
            assert (result.already, result.amount) == (True, hold.captured)
            return
        assert hold.state == "open"
        hold.state = "captured"
        hold.captured = hold.amount // hold.images * delivered
        assert (result.already, result.amount) == (False, hold.captured)
        self.model.posted -= hold.captured

    @rule(pick=PICKS)
    def claim(self, pick: int) -> None:
        hold = self.chosen(pick)
        if hold is not None and hold.state == "open":
            hold.epoch += 1
            fence_hold(hold_id=hold.result.hold_id, lease_epoch=hold.epoch)

    @rule(pick=PICKS, expires=st.booleans())
    def let_go(self, pick: int, expires: bool) -> None:
        hold = self.chosen(pick)
        if hold is None:
            return
        released = (
            expire_hold(hold_id=hold.result.hold_id, at=now())
            if expires
            else void_hold(hold_id=hold.result.hold_id, reason="failed", at=now())
        )
        assert released == (hold.state == "open")
        if released:
            hold.state = "expired" if expires else "voided"

    @rule(limit=st.integers(0, 40_000))
    def set_a_limit(self, limit: int) -> None:
        set_budget(
            organization_id=self.account.organization.id,
            scope=BudgetScope.ORGANIZATION,
            subject_id=self.account.organization.id,
            period=BudgetPeriod.MONTH,
            action=BudgetAction.LOCK,
            limit=Microdollars(limit),
            actor=SYSTEM,
            at=now() - timedelta(seconds=1),
        )
        self.model.limit = limit

    @rule(chance=st.integers(0, 9))
    def change_the_key(self, chance: int) -> None:
        """Revoke now and then, and give the account a new key afterwards."""
        if self.model.revoked:
            self.account.key = create_api_key(
                project=self.project, name="next", actor=SYSTEM, at=now()
            )
            self.model.revoked = False
        elif chance == 0:
            revoke_api_key(
                key_id=self.account.key.key.id,
                organization_id=self.account.organization.id,
                actor=SYSTEM,
                at=now(),
            )
            self.model.revoked = True

    @invariant()
    def the_balance_is_the_models(self) -> None:
        if not hasattr(self, "model"):
            return
        balance = balance_of(self.account.organization.id)
        assert (balance.posted, balance.held) == (self.model.posted, self.model.held)

    @invariant()
    def the_journal_is_the_balance(self) -> None:
        if not hasattr(self, "model"):
            return
        entries = LedgerEntry.objects.filter(
            organization=self.account.organization, account="wallet"
        )
        assert sum(entries.values_list("amount", flat=True)) == self.model.posted

    def chosen(self, pick: int) -> ModelHold | None:
        holds = list(self.model.holds.values())
        return holds[pick % len(holds)] if holds else None


@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_the_ledger_answers_as_an_independent_model_through_two_thousand_steps() -> None:
    # 45 walks of up to 50 steps: at least 2,000 steps in CI, from a seed that a failure prints.
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=45,
            stateful_step_count=50,
            deadline=None,
            derandomize=True,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

    assert not Hold.objects.exists()
    assert not BudgetWindow.objects.exists()
    call_command("check_ledger", "--json")
