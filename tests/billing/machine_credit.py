"""The state machine's rules for credit: what comes in, goes back, expires and is stated."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
)

from billing.gateways.protocol import DisputeOutcome, Payment, RefundOutcome
from billing.models import (
    CreditLot,
    TopUp,
)
from billing.operations.credits import grant_credit
from billing.operations.disputes import settle_dispute
from billing.operations.lots import expire_lots, settle_lots
from billing.operations.refunds import RefundTooLarge, debit_refund, settle_refund
from billing.operations.statements import StatementNotDue, close_statement
from billing.operations.top_ups import settle_payment
from governance.kernel.actors import SYSTEM
from governance.kernel.money import Microdollars
from tests.billing.conftest import Account
from tests.billing.machine_model import Model, ModelLot, ModelMonth, ModelPayment

PICKS = st.integers(0, 10_000)
CENTS = st.integers(1, 12).map(lambda cents: cents * 10_000)


Rule = TypeVar("Rule", bound=Callable[..., None])


def act(weight: int, **draws: st.SearchStrategy[Any]) -> Callable[[Rule], Rule]:
    """A kind of step, taken ``weight`` times as often as one of weight 1, with what it draws."""

    def mark(rule_: Rule) -> Rule:
        rule_.weight, rule_.draws = weight, draws  # type: ignore[attr-defined]
        return rule_

    return mark


class CreditRules(RuleBasedStateMachine):
    """Top-ups, grants, refunds, disputes, expiry, closed months; and the words that all rules use."""

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        """One step. Not a rule for each kind: Hypothesis would leave half of them out of every walk."""
        kinds = {
            name: kind
            for name in dir(type(self))
            if hasattr(kind := getattr(type(self), name), "draws")
        }
        names = [name for name, kind in sorted(kinds.items()) for _ in range(kind.weight)]
        name = data.draw(st.sampled_from(names), label="step")
        draws = {word: data.draw(each, label=word) for word, each in kinds[name].draws.items()}
        getattr(self, name)(**draws)

    taken: ClassVar[Counter[str]] = Counter()
    account: Account
    id: UUID
    model: Model
    clock: datetime
    # What was asked for before, to be asked again: nothing may change by that.
    earlier: list[Callable[[], object]]

    # Money that comes in

    @act(3, cents=st.integers(5, 60))
    def top_up(self, cents: int) -> None:
        self.pay_in(cents * 10_000)

    def pay_in(self, amount: int) -> None:
        payment = ModelPayment(f"pi_{self.id}_{len(self.model.payments)}", amount)

        self.pay(payment)
        self.model.payments[payment.name] = payment
        self.add_lot(paid=True, amount=amount, payment=payment.name)
        self.earlier.append(lambda: self.pay(payment))
        self.step("top-up")

    @act(2, amount=st.integers(1, 90_000), days=st.one_of(st.none(), st.integers(1, 40)))
    def grant(self, amount: int, days: int | None) -> None:
        expires = self.clock + timedelta(days=days) if days else None
        name = f"{self.id}:{len(self.model.grants)}"

        def ask() -> bool:
            return grant_credit(
                organization_id=self.id, amount=Microdollars(amount), kind="promotional",
                external_reference=name, actor=SYSTEM, at=self.clock, expires_at=expires,
            )  # fmt: skip

        assert ask()
        self.model.grants.add(name)
        self.add_lot(paid=False, amount=amount, expires=expires)
        self.earlier.append(lambda: falsy(ask()))
        self.step("grant")

    # Money that goes back

    @act(2, pick=PICKS, amount=CENTS, fails=st.booleans())
    def refund(self, pick: int, amount: int, fails: bool) -> None:
        payment = self.paid(pick)
        if payment is None:
            return
        room = self.model.refundable(payment.name)
        try:
            row = debit_refund(
                organization_id=self.id, top_up_id=TopUp.objects.get(payment=payment.name).id,
                amount=amount, reason="asked", actor=SYSTEM, at=self.clock,
            )  # fmt: skip
        except RefundTooLarge:
            assert amount > room
            self.step("refund, too large")
            return
        assert amount <= room
        self.model.take_back(payment.name, amount)
        status = "failed" if fails else "succeeded"
        outcome = RefundOutcome(f"re_{row.id}", payment.name, amount, status, row.id, self.clock)  # type: ignore[arg-type]
        settle_refund(outcome=outcome, actor=SYSTEM, at=self.clock)
        if fails:
            self.add_lot(paid=True, amount=amount, payment=payment.name)
        self.earlier.append(
            lambda: settle_refund(outcome=outcome, actor=SYSTEM, at=self.clock) and None
        )
        self.step(f"refund, {status}")

    @act(2, pick=PICKS, then=st.sampled_from(["withdrawn", "won", "lost", "inquiry"]))
    def dispute(self, pick: int, then: str) -> None:
        """The bank takes the whole payment, may give it back, or only asks."""
        payment = self.paid(pick)
        if payment is None or (then == "won" and not payment.disputed):
            return
        withdrawn, reinstated = then != "inquiry", then == "won"
        outcome = DisputeOutcome(
            f"dp_{payment.name}", payment.name, payment.amount,
            {"withdrawn": "needs_response", "inquiry": "warning_needs_response"}.get(then, then),
            withdrawn, reinstated, self.clock,
        )  # fmt: skip

        def ask() -> None:
            settle_dispute(outcome=outcome, actor=SYSTEM, at=self.clock)

        ask()
        if withdrawn and not payment.disputed:
            payment.disputed = payment.amount
            self.model.take_back(payment.name, payment.amount)
        if reinstated and not payment.reinstated:
            payment.reinstated = True
            self.add_lot(paid=True, amount=payment.amount, payment=payment.name)
        self.earlier.append(ask)
        self.step(f"dispute, {then}")

    @act(2, hours=st.integers(1, 240))
    def time_passes(self, hours: int) -> None:
        """Later, whose credit is over expires: not from under an open hold."""
        self.clock += timedelta(hours=hours)
        assert expire_lots(organization_id=self.id, at=self.clock) == self.model.expire(self.clock)
        self.earlier.append(self.look)
        self.step("clock")

    @act(1)
    def close_the_month(self) -> None:
        """The period ends now by the database's clock; what is booked later is the next one's."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            ends_at = cursor.fetchone()[0].astimezone(UTC)
        try:
            statement = close_statement(organization_id=self.id, ends_at=ends_at, at=self.clock)
        except StatementNotDue:
            return
        assert statement is not None
        months = self.model.months
        opening = months[-1].closing if months else 0
        assert (statement.opening, statement.closing) == (opening, self.model.posted)
        assert statement.number == len(months) + 1
        assert opening + sum(line["amount_microusd"] for line in statement.body["lines"]) == (
            self.model.posted
        )
        months.append(ModelMonth(opening, self.model.posted, ends_at))
        self.earlier.append(
            lambda: same(
                close_statement(organization_id=self.id, ends_at=ends_at, at=self.clock), None
            )
        )
        self.step("month closed")

    @act(1)
    def look(self) -> None:
        """Settling puts what was spent to the lots; they then hold what the wallet holds."""
        settle_lots(organization_id=self.id, at=self.clock)
        self.model.settle()
        rows = CreditLot.objects.filter(organization_id=self.id).order_by("id")
        assert list(rows.values_list("remaining", flat=True)) == [
            lot.left for lot in self.model.lots
        ]
        self.step("lots settled")

    def step(self, what: str) -> None:
        self.taken[what] += 1

    def paid(self, pick: int) -> ModelPayment | None:
        payments = list(self.model.payments.values())
        return payments[pick % len(payments)] if payments else None

    def pay(self, payment: ModelPayment) -> None:
        seen = Payment(
            payment.name, "succeeded", payment.amount, "usd", None, self.id, None, "", self.clock
        )
        settle_payment(payment=seen, actor=SYSTEM, at=self.clock)

    def add_lot(
        self, *, paid: bool, amount: int, payment: str = "", expires: datetime | None = None
    ) -> None:
        number = len(self.model.lots)
        self.model.credit(ModelLot(paid, amount, self.clock, number, expires, payment))


def falsy(answer: object) -> None:
    assert not answer


def same(answer: object, wanted: object) -> None:
    assert answer == wanted
