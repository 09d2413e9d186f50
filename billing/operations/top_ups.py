"""Money in: our row first, then Stripe, then the credit, by whoever hears of the payment first."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.gateways.protocol import Gateway, GatewayRefused, GatewayUnavailable, Payment
from billing.models import (
    MICROUSD_PER_CENT,
    OPEN_TOP_UPS,
    PaymentProfile,
    TopUp,
    TopUpState,
    TopUpTrigger,
)
from billing.operations.credits import grant_credit
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest, Unavailable
from governance.kernel.money import Microdollars, format_usd, usd
from governance.models import Organization
from governance.operations import audit

PRESETS = tuple(usd(dollars) for dollars in (10, 25, 50, 100))
SMALLEST, LARGEST = usd(5), usd(10_000)
# When an unknown outcome is asked about again: after 1 m, 5 m, 1 h, and then every day.
ASK_AFTER = (timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1))


class PaymentRefused(DomainError):
    """The payment provider refused; nothing was charged."""

    code = "payment_refused"
    title = "The payment could not be started"
    status = 402


def next_question(asked: int, at: datetime) -> datetime:
    """When the janitor asks again after ``asked`` questions."""
    return at + ASK_AFTER[min(asked, len(ASK_AFTER) - 1)]


def require_payable(amount: int) -> None:
    """5 to 10,000 USD in whole cents. Raises InvalidRequest."""
    if not SMALLEST <= amount <= LARGEST or amount % MICROUSD_PER_CENT:
        raise InvalidRequest(
            f"A top-up is from {format_usd(SMALLEST)} to {format_usd(LARGEST)}, in whole cents.",
            param="amount",
        )


def start_top_up(
    *,
    organization_id: UUID,
    amount: Microdollars,
    save_card: bool,
    return_url: str,
    actor: Actor,
    at: datetime,
    gateway: Gateway,
) -> TopUp:
    """A checkout page for ``amount`` µUSD; send the person to its ``checkout_url``.

    Nothing is credited before the payment is known to have succeeded. Not inside a transaction.
    Raises InvalidRequest, PaymentRefused, Unavailable.
    """
    require_payable(amount)
    customer = customer_of(organization_id, gateway)
    top_up = record_top_up(
        organization_id, amount, TopUpTrigger.CHECKOUT, actor, at, save_card=save_card
    )
    try:
        checkout = gateway.open_checkout(
            top_up_id=top_up.id,
            organization_id=organization_id,
            customer=customer,
            amount=amount,
            save_card=save_card,
            success_url=f"{return_url}?top_up={top_up.id}",
            cancel_url=f"{return_url}?left={top_up.id}",
        )
    except GatewayRefused as refusal:
        end_top_up(top_up, TopUpState.FAILED, str(refusal), at)
        raise PaymentRefused(f"The payment provider refused: {refusal}") from refusal
    except GatewayUnavailable as silence:
        raise Unavailable(
            "The payment provider does not answer. Nothing was charged; try again in a minute."
        ) from silence
    top_up.state, top_up.checkout_url = TopUpState.PENDING, checkout.url
    top_up.checkout_session = checkout.id
    top_up.save(update_fields=["state", "checkout_url", "checkout_session"])
    return top_up


def customer_of(organization_id: UUID, gateway: Gateway) -> str:
    """The organization's customer at the provider; made on its first payment."""
    profile, _ = PaymentProfile.objects.get_or_create(organization_id=organization_id)
    if profile.customer:
        return profile.customer
    name = Organization.objects.values_list("name", flat=True).get(id=organization_id)
    try:
        customer = gateway.create_customer(organization_id=organization_id, name=name)
    except GatewayRefused as refusal:
        raise PaymentRefused(f"The payment provider refused: {refusal}") from refusal
    except GatewayUnavailable as silence:
        raise Unavailable("The payment provider does not answer. Nothing was charged.") from silence
    PaymentProfile.objects.filter(organization_id=organization_id, customer="").update(
        customer=customer
    )
    return PaymentProfile.objects.values_list("customer", flat=True).get(
        organization_id=organization_id
    )


@transaction.atomic
def record_top_up(
    organization_id: UUID,
    amount: int,
    trigger: TopUpTrigger,
    actor: Actor,
    at: datetime,
    *,
    save_card: bool = False,
) -> TopUp:
    """Our row, committed before the provider hears of it: its id is the idempotency key."""
    top_up = TopUp.objects.create(
        organization_id=organization_id,
        amount=amount,
        trigger=trigger,
        save_card=save_card,
        created_at=at,
        ask_at=next_question(0, at),
    )
    audit.record(
        act="top_up.started",
        actor=actor,
        organization_id=organization_id,
        subject_kind="top_up",
        subject_id=top_up.id,
        facts={"amount_microusd": amount, "trigger": trigger},
    )
    return top_up


@transaction.atomic
def settle_payment(*, payment: Payment, actor: Actor, at: datetime) -> TopUp | None:
    """Make our rows say what the provider says; credits a succeeded payment exactly once.

    None for a payment that is not ours. Any order and any number of calls end the same.
    """
    top_up = top_up_of(payment, at)
    if top_up is None:
        return None
    if payment.state == "succeeded":
        credit_payment(top_up, payment, actor, at)
    elif payment.state == "cancelled":
        end_top_up(top_up, TopUpState.CANCELLED, payment.failure or "cancelled", at)
    elif payment.state == "failed":
        note_decline(top_up, payment.failure, at)
    return top_up


def top_up_of(payment: Payment, at: datetime) -> TopUp | None:
    """The locked row of a payment; one that we never heard of is made from its metadata."""
    ours = Q(payment=payment.id)
    if payment.top_up_id is not None:
        ours |= Q(id=payment.top_up_id, payment=None)
    top_up = TopUp.objects.select_for_update().filter(ours).first()
    if top_up is not None:
        if top_up.payment is None:
            top_up.payment = payment.id
            top_up.save(update_fields=["payment"])
        return top_up
    if payment.organization_id is None or payment.state != "succeeded":
        return None
    if not Organization.objects.filter(id=payment.organization_id).exists():
        return None
    TopUp.objects.bulk_create(
        [
            TopUp(
                organization_id=payment.organization_id,
                amount=payment.received,
                trigger=TopUpTrigger.FOUND,
                state=TopUpState.PENDING,
                payment=payment.id,
                created_at=at,
            )
        ],
        ignore_conflicts=True,
    )
    return TopUp.objects.select_for_update().get(payment=payment.id)


def credit_payment(top_up: TopUp, payment: Payment, actor: Actor, at: datetime) -> None:
    """Credit what was received. The payment's id is the gate, whoever comes first."""
    if top_up.state == TopUpState.SUCCEEDED:
        return
    if payment.currency != "usd":
        end_top_up(top_up, TopUpState.FAILED, f"paid in {payment.currency}", at)
        return
    credited = grant_credit(
        organization_id=top_up.organization_id,
        amount=Microdollars(payment.received),
        kind="paid",
        external_reference=payment.id,
        actor=actor,
        at=at,
    )
    assert credited, "a payment that is credited has a top-up that succeeded"
    top_up.amount, top_up.state, top_up.settled_at = payment.received, TopUpState.SUCCEEDED, at
    top_up.failure, top_up.ask_at = "", None
    top_up.save(update_fields=["amount", "state", "settled_at", "failure", "ask_at"])
    profile = PaymentProfile.objects.filter(organization_id=top_up.organization_id)
    if top_up.trigger == TopUpTrigger.AUTOMATIC:
        profile.update(declines=0, retry_after=None)
    elif top_up.save_card and payment.card is not None:
        profile.update(
            payment_method=payment.card.payment_method,
            card_label=payment.card.label,
            declines=0,
            retry_after=None,
        )


def note_decline(top_up: TopUp, failure: str, at: datetime) -> None:
    """A decline ends an automatic top-up; on a checkout page the person may try another card."""
    if top_up.trigger == TopUpTrigger.AUTOMATIC:
        end_top_up(top_up, TopUpState.FAILED, failure, at)
    elif top_up.state in OPEN_TOP_UPS:
        top_up.failure = failure[:200]
        top_up.save(update_fields=["failure"])


def end_top_up(top_up: TopUp, state: TopUpState, failure: str, at: datetime) -> None:
    """End an open top-up without money; what has ended stays as it is."""
    if top_up.state not in OPEN_TOP_UPS:
        return
    top_up.state, top_up.failure, top_up.settled_at = state, failure[:200], at
    top_up.ask_at = None
    top_up.save(update_fields=["state", "failure", "settled_at", "ask_at"])


def refresh_top_up(*, top_up: TopUp, gateway: Gateway, actor: Actor, at: datetime) -> None:
    """Ask the provider about one top-up and settle what it says; for the page after the payment.

    Not inside a transaction. Raises GatewayUnavailable.
    """
    payment = None
    if top_up.payment:
        payment = gateway.payment(top_up.payment)
    elif top_up.checkout_session:
        checkout = gateway.checkout(top_up.checkout_session)
        payment = gateway.payment(checkout.payment) if checkout.payment else None
        if checkout.state == "expired" and (payment is None or payment.state != "succeeded"):
            end_top_up(top_up, TopUpState.CANCELLED, "the payment page expired", at)
    else:
        payment = gateway.find_payment(top_up.id)
    if payment is not None:
        settle_payment(payment=payment, actor=actor, at=at)
