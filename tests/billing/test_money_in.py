"""Top-ups, lots, refunds and disputes on PostgreSQL, against Stripe's stand-in."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils.timezone import now

from billing.gateways.configured import stand_in
from billing.gateways.fake import world
from billing.gateways.stripe_gateway import StripeGateway
from billing.models import (
    CreditLot,
    FakeStripeObject,
    LedgerEntry,
    PaymentProfile,
    Refund,
    RefundState,
    TopUp,
    TopUpState,
)
from billing.operations.automatic_top_up import (
    set_automatic_top_up,
    top_up_automatically,
)
from billing.operations.credits import grant_credit
from billing.operations.disputes import settle_dispute
from billing.operations.lots import expire_due_lots, settle_lots
from billing.operations.payment_janitor import ask_about_payments
from billing.operations.refunds import RefundTooLarge, request_refund, settle_refund
from billing.operations.top_ups import refresh_top_up
from billing.queries.balances import balance_of
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import InvalidRequest, NotFound, Unavailable
from governance.kernel.ids import uuid7
from governance.kernel.money import Microdollars, usd
from governance.models import Organization
from tests.billing.conftest import Account
from tests.billing.payments import checkout, credit_violations, lossy_gateway


@pytest.fixture(autouse=True)
def invariants_hold(db: None) -> Iterator[None]:
    """Whatever a test does, the books agree afterwards."""
    yield
    assert credit_violations() == []


@pytest.fixture
def gateway(db: None) -> StripeGateway:
    return stand_in()


def pay(
    organization: Organization,
    gateway: StripeGateway,
    amount: int = usd(25),
    *,
    card: str = "pm_card_visa",
    save: bool = False,
) -> TopUp:
    """A checkout that was paid and looked at again."""
    top_up = checkout(organization.id, gateway, amount, save=save)
    world.pay_checkout(top_up.checkout_session or "", card)
    refresh_top_up(top_up=top_up, gateway=gateway, actor=SYSTEM, at=now())
    top_up.refresh_from_db()
    return top_up


def posted(organization: Organization) -> int:
    return balance_of(organization.id).posted


def lots(organization: Organization) -> dict[str, int]:
    settle_lots(organization_id=organization.id, at=now())
    rows = CreditLot.objects.filter(organization=organization)
    return dict(rows.values_list("external_reference", "remaining"))


class TestCheckout:
    @pytest.mark.parametrize("amount", [usd(5) - 1, usd(10_000) + 1, usd(10) + 1, 0, -usd(10)])
    def test_amounts_are_5_to_10000_dollars_in_whole_cents(
        self, organization: Organization, gateway: StripeGateway, amount: int
    ) -> None:
        with pytest.raises(InvalidRequest):
            checkout(organization.id, gateway, amount)

        assert not TopUp.objects.exists()

    def test_nothing_is_credited_before_the_payment_succeeds(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = checkout(organization.id, gateway)
        refresh_top_up(top_up=top_up, gateway=gateway, actor=SYSTEM, at=now())

        assert posted(organization) == 0

    def test_a_paid_page_credits_once_however_often_it_is_looked_at(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = pay(organization, gateway)
        for _ in range(3):
            refresh_top_up(top_up=top_up, gateway=gateway, actor=SYSTEM, at=now())

        assert posted(organization) == usd(25)
        assert top_up.state == TopUpState.SUCCEEDED

    def test_a_declined_card_may_be_followed_by_another(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = pay(organization, gateway, card="pm_card_chargeDeclined")
        assert (top_up.state, top_up.failure) == (TopUpState.PENDING, "generic_decline")

        world.pay_checkout(top_up.checkout_session or "", "pm_card_visa")
        refresh_top_up(top_up=top_up, gateway=gateway, actor=SYSTEM, at=now())

        assert posted(organization) == usd(25)

    def test_an_expired_page_ends_the_top_up(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = checkout(organization.id, gateway)
        world.expire_checkout(top_up.checkout_session or "")
        refresh_top_up(top_up=top_up, gateway=gateway, actor=SYSTEM, at=now())

        top_up.refresh_from_db()
        assert top_up.state == TopUpState.CANCELLED

    def test_a_lost_reply_is_found_by_the_janitor_and_never_paid_twice(
        self, organization: Organization
    ) -> None:
        gateway, transport = lossy_gateway()
        gateway.create_customer(organization_id=organization.id, name=organization.name)
        PaymentProfile.objects.create(organization=organization, customer="")
        checkout(organization.id, gateway)
        TopUp.objects.all().delete()
        transport.lose_replies = 1
        with pytest.raises(Unavailable):
            checkout(organization.id, gateway)
        intent = FakeStripeObject.objects.filter(kind="payment_intent").latest("created", "id")
        top_up = TopUp.objects.get()
        session = FakeStripeObject.objects.get(
            kind="checkout.session", body__client_reference_id=str(top_up.id)
        )
        world.pay_checkout(session.id, "pm_card_visa")

        asked = ask_about_payments(gateway=gateway, at=now() + timedelta(minutes=2))

        assert asked == 1
        assert posted(organization) == usd(25)
        assert intent is not None


class TestLots:
    def test_promotional_credit_is_spent_first_and_what_expires_first_before(
        self, account: Account
    ) -> None:
        at = now()
        account.top_up(100, "paid")
        for name, days in (("late", 20), ("soon", 10)):
            grant_credit(
                organization_id=account.organization.id,
                amount=Microdollars(100),
                kind="promotional",
                external_reference=name,
                actor=SYSTEM,
                at=at,
                expires_at=at + timedelta(days=days),
            )

        account.capture(account.hold(150).hold_id)

        assert lots(account.organization) == {"paid": 100, "late": 50, "soon": 0}

    def test_lots_hold_what_the_wallet_holds(self, account: Account) -> None:
        account.top_up(100, "a")
        account.top_up(100, "b")
        account.capture(account.hold(130).hold_id)

        assert sum(lots(account.organization).values()) == posted(account.organization) == 70

    def test_expired_credit_leaves_the_wallet_but_not_from_under_an_open_hold(
        self, account: Account
    ) -> None:
        at = now()
        grant_credit(
            organization_id=account.organization.id,
            amount=Microdollars(100),
            kind="promotional",
            external_reference="gift",
            actor=SYSTEM,
            at=at,
            expires_at=at + timedelta(hours=1),
        )
        held = account.hold(30)

        first = expire_due_lots(at=at + timedelta(hours=2))
        account.void(held.hold_id)
        second = expire_due_lots(at=at + timedelta(hours=3))

        assert (first, second) == (70, 30)
        assert posted(account.organization) == 0


class TestRefunds:
    def test_unspent_paid_credit_goes_back(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = pay(organization, gateway)

        refund = ask(organization.id, top_up, usd(10), gateway)

        assert refund.state == RefundState.SUCCEEDED
        assert posted(organization) == usd(15)

    def test_spent_held_and_given_credit_does_not(
        self, account: Account, gateway: StripeGateway
    ) -> None:
        top_up = pay(account.organization, gateway)
        account.capture(account.hold(usd(10)).hold_id)
        account.hold(usd(5))

        with pytest.raises(RefundTooLarge) as refused:
            ask(account.organization.id, top_up, usd(11), gateway)
        ask(account.organization.id, top_up, usd(10), gateway)

        assert refused.value.facts["refundable_microusd"] == usd(10)
        assert balance_of(account.organization.id).available == 0

    def test_a_strangers_payment_is_not_found(
        self, organizations: object, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = pay(organization, gateway)
        stranger = organizations()  # type: ignore[operator]

        with pytest.raises(NotFound):
            ask(stranger.id, top_up, usd(5), gateway)

    def test_a_lost_reply_refunds_once(self, organization: Organization) -> None:
        gateway, transport = lossy_gateway()
        top_up = pay(organization, gateway)
        transport.lose_replies = 1

        refund = ask(organization.id, top_up, usd(10), gateway)
        assert refund.state == RefundState.CREATING
        ask_about_payments(gateway=gateway, at=now() + timedelta(minutes=2))

        refund.refresh_from_db()
        assert refund.state == RefundState.SUCCEEDED
        assert FakeStripeObject.objects.filter(kind="refund").count() == 1
        assert posted(organization) == usd(15)

    def test_a_refused_refund_gives_the_credit_back_once(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = pay(organization, gateway)
        gateway.refund(refund_id=uuid7(), payment=top_up.payment or "", amount=usd(20))

        refund = ask(organization.id, top_up, usd(10), gateway)

        assert refund.state == RefundState.FAILED
        assert posted(organization) == usd(25)
        settle_lots(organization_id=organization.id, at=now())
        left = CreditLot.objects.filter(organization=organization)
        assert sum(left.values_list("remaining", flat=True)) == usd(25)

    def test_a_refund_from_the_dashboard_is_booked_once_and_may_leave_a_debt(
        self, account: Account, gateway: StripeGateway
    ) -> None:
        top_up = pay(account.organization, gateway)
        account.capture(account.hold(usd(20)).hold_id)
        made = gateway.refund(refund_id=uuid7(), payment=top_up.payment or "", amount=usd(25))

        for _ in range(2):
            settle_refund(outcome=made, actor=SYSTEM, at=now())

        assert posted(account.organization) == -usd(20)
        assert Refund.objects.count() == 1


def ask(organization_id: UUID, top_up: TopUp, amount: int, gateway: StripeGateway) -> Refund:
    return request_refund(
        organization_id=organization_id,
        top_up_id=top_up.id,
        amount=amount,
        reason="asked for",
        actor=SYSTEM,
        at=now(),
        gateway=gateway,
    )


class TestDisputes:
    def test_a_dispute_on_spent_credit_leaves_a_debt_and_stops_new_holds(
        self, account: Account, gateway: StripeGateway
    ) -> None:
        top_up = pay(account.organization, gateway)
        account.capture(account.hold(usd(20)).hold_id)

        dispute = world.open_dispute(top_up.payment or "")
        for _ in range(2):
            settle_dispute(outcome=gateway.dispute(dispute), actor=SYSTEM, at=now())

        assert posted(account.organization) == -usd(20)
        with pytest.raises(Exception, match="available"):
            account.hold(1)

    def test_a_won_dispute_returns_once(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = pay(organization, gateway)
        dispute = world.open_dispute(top_up.payment or "")
        settle_dispute(outcome=gateway.dispute(dispute), actor=SYSTEM, at=now())
        world.close_dispute(dispute, won=True)

        for _ in range(2):
            settle_dispute(outcome=gateway.dispute(dispute), actor=SYSTEM, at=now())

        assert posted(organization) == usd(25)
        reserve = LedgerEntry.objects.filter(account="dispute_reserve")
        assert sum(reserve.values_list("amount", flat=True)) == 0

    def test_an_inquiry_moves_nothing(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        top_up = pay(organization, gateway)
        dispute = world.open_dispute(top_up.payment or "", status="warning_needs_response")

        settle_dispute(outcome=gateway.dispute(dispute), actor=SYSTEM, at=now())

        assert posted(organization) == usd(25)


class TestAutomaticTopUp:
    @pytest.fixture
    def ready(self, organization: Organization, gateway: StripeGateway) -> Organization:
        """A saved card; below 100 USD, 25 USD are charged, at most 60 a month."""
        self.switch_on(organization, gateway, "pm_card_visa")
        return organization

    def switch_on(self, organization: Organization, gateway: StripeGateway, card: str) -> None:
        pay(organization, gateway, card=card, save=True)
        set_automatic_top_up(
            organization_id=organization.id,
            threshold=usd(100),
            amount=usd(25),
            monthly_ceiling=usd(60),
            actor=SYSTEM,
        )

    def test_it_charges_the_saved_card_up_to_the_months_ceiling(
        self, ready: Organization, gateway: StripeGateway
    ) -> None:
        at = now()
        made = [
            top_up_automatically(organization_id=ready.id, gateway=gateway, at=at) for _ in range(4)
        ]

        assert [top_up.state if top_up else None for top_up in made] == [
            "succeeded", "succeeded", None, None
        ]  # fmt: skip
        assert posted(ready) == usd(75)

    @pytest.mark.django_db(transaction=True)
    def test_two_triggers_at_once_charge_once(
        self, ready: Organization, gateway: StripeGateway
    ) -> None:
        def trigger() -> None:
            top_up_automatically(organization_id=ready.id, gateway=stand_in(), at=now())
            connection.close()

        PaymentProfile.objects.update(threshold=usd(30), monthly_ceiling=usd(1_000))
        threads = [threading.Thread(target=trigger) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert posted(ready) == usd(50)
        assert TopUp.objects.filter(trigger="automatic").count() == 1

    def test_above_the_threshold_nothing_is_charged(
        self, ready: Organization, gateway: StripeGateway
    ) -> None:
        pay(ready, gateway, usd(100))

        assert top_up_automatically(organization_id=ready.id, gateway=gateway, at=now()) is None

    def test_an_unknown_outcome_blocks_the_next_one_until_the_janitor_knows(
        self, ready: Organization
    ) -> None:
        gateway, transport = lossy_gateway()
        transport.lose_replies = 1
        at = now()

        first = top_up_automatically(organization_id=ready.id, gateway=gateway, at=at)
        second = top_up_automatically(organization_id=ready.id, gateway=gateway, at=at)
        ask_about_payments(gateway=gateway, at=at + timedelta(minutes=2))

        assert first is not None
        assert (first.state, second) == (TopUpState.CREATING, None)
        assert posted(ready) == usd(50)

    def test_a_request_that_never_arrived_is_given_up_after_a_day(
        self, ready: Organization
    ) -> None:
        gateway, transport = lossy_gateway()
        transport.lose_requests = 1
        at = now()
        top_up = top_up_automatically(organization_id=ready.id, gateway=gateway, at=at)

        for hours in (1, 3, 30):
            ask_about_payments(gateway=gateway, at=at + timedelta(hours=hours))

        assert top_up is not None
        top_up.refresh_from_db()
        assert top_up.state == TopUpState.FAILED
        assert posted(ready) == usd(25)

    def test_three_declines_with_pauses_switch_it_off(
        self, organization: Organization, gateway: StripeGateway
    ) -> None:
        self.switch_on(organization, gateway, "pm_card_chargeCustomerFail")
        at, attempts = now(), 0
        for hour in range(48):
            moment = at + timedelta(hours=hour, minutes=1)
            attempts += bool(
                top_up_automatically(organization_id=organization.id, gateway=gateway, at=moment)
            )

        profile = PaymentProfile.objects.get(organization=organization)
        assert attempts == 3
        assert not profile.automatic
        assert "generic_decline" in profile.switched_off_because
        assert posted(organization) == usd(25)

    def test_it_needs_a_saved_card(self, organization: Organization) -> None:
        with pytest.raises(InvalidRequest):
            set_automatic_top_up(
                organization_id=organization.id,
                threshold=usd(10),
                amount=usd(25),
                monthly_ceiling=usd(60),
                actor=SYSTEM,
            )

    def test_an_open_dispute_stops_it(self, ready: Organization, gateway: StripeGateway) -> None:
        payment = TopUp.objects.filter(organization=ready).earliest("id").payment or ""
        dispute = world.open_dispute(payment)
        settle_dispute(outcome=gateway.dispute(dispute), actor=SYSTEM, at=now())

        assert top_up_automatically(organization_id=ready.id, gateway=gateway, at=now()) is None
