"""Paid credit back to the card: the wallet is debited first, so refunded credit cannot be spent."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.gateways.protocol import Gateway, GatewayRefused, GatewayUnavailable, RefundOutcome
from billing.models import (
    MICROUSD_PER_CENT,
    LotSource,
    Refund,
    RefundState,
    TopUp,
    TopUpState,
)
from billing.operations.journal import Leg, book, move_wallet
from billing.operations.lots import add_lot, lock_wallet, refundable, settle_lots, take_back
from billing.operations.top_ups import next_question
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.kernel.money import format_usd
from governance.operations import audit


class RefundTooLarge(DomainError):
    """Only unspent paid credit goes back to the card."""

    code = "refund_too_large"
    title = "More than the unspent paid credit of this payment"
    status = 422


def request_refund(
    *,
    organization_id: UUID,
    top_up_id: UUID,
    amount: int,
    reason: str,
    actor: Actor,
    at: datetime,
    gateway: Gateway,
) -> Refund:
    """Send ``amount`` µUSD (whole cents) of a payment back. Not inside a transaction.

    Raises NotFound, RefundTooLarge. With no answer from the provider the refund stays open and the
    janitor asks; a refusal gives the credit back.
    """
    refund = debit_refund(
        organization_id=organization_id,
        top_up_id=top_up_id,
        amount=amount,
        reason=reason,
        actor=actor,
        at=at,
    )
    send_refund(refund=refund, gateway=gateway, actor=actor, at=at)
    refund.refresh_from_db()
    return refund


def send_refund(*, refund: Refund, gateway: Gateway, actor: Actor, at: datetime) -> None:
    """Ask the provider; with the refund's own idempotency key, so that it may be asked again."""
    try:
        outcome = gateway.refund(
            refund_id=refund.id, payment=refund.top_up.payment or "", amount=refund.amount
        )
    except GatewayUnavailable:
        return
    except GatewayRefused as refusal:
        undo_refund(refund_id=refund.id, because=str(refusal), actor=actor, at=at)
        return
    settle_refund(outcome=outcome, actor=actor, at=at)


@transaction.atomic
def debit_refund(
    *,
    organization_id: UUID,
    top_up_id: UUID,
    amount: int,
    reason: str,
    actor: Actor,
    at: datetime,
) -> Refund:
    """Take the credit out of the wallet and its lot; committed before the provider is asked."""
    lock_wallet(organization_id)
    top_up = TopUp.objects.filter(
        id=top_up_id, organization_id=organization_id, state=TopUpState.SUCCEEDED
    ).first()
    if top_up is None or top_up.payment is None:
        raise NotFound("There is no such payment.")
    room = refundable(organization_id, top_up.payment, at)
    room -= room % MICROUSD_PER_CENT
    if not 0 < amount <= room or amount % MICROUSD_PER_CENT:
        raise RefundTooLarge(
            f"{format_usd(room)} of this payment is unspent and may go back, in whole cents.",
            refundable_microusd=room,
            required_microusd=amount,
        )
    refund = Refund.objects.create(
        organization_id=organization_id,
        top_up=top_up,
        amount=amount,
        reason=reason[:200],
        created_at=at,
        ask_at=next_question(0, at),
    )
    book_refund(refund, top_up.payment, actor, at)
    return refund


def book_refund(refund: Refund, payment: str, actor: Actor, at: datetime) -> None:
    """Legs, lots, audit and wallet of a refund, under the wallet's lock."""
    booked = book(
        kind="refund",
        external_reference=str(refund.id),
        organization_id=refund.organization_id,
        legs=[
            Leg("wallet", -refund.amount, refund.organization_id),
            Leg("stripe_clearing", refund.amount),
        ],
        event_at=refund.created_at,
        facts={"payment": payment, "reason": refund.reason},
    )
    assert booked is not None, "a refund's row is made once"
    take_back(
        organization_id=refund.organization_id,
        payment=payment,
        amount=refund.amount,
        kind="refunded",
        reference=str(refund.id),
        at=at,
    )
    audit.record(
        act="refund.booked",
        actor=actor,
        organization_id=refund.organization_id,
        subject_kind="refund",
        subject_id=refund.id,
        facts={"amount_microusd": refund.amount, "reason": refund.reason, "payment": payment},
    )
    move_wallet(organization_id=refund.organization_id, posted=-refund.amount)


def settle_refund(*, outcome: RefundOutcome, actor: Actor, at: datetime) -> Refund | None:
    """Make our row say what the provider says; None for a payment that is not ours.

    A refund made in the provider's dashboard is booked when we hear of it; the wallet may go below
    zero then. The payment itself must have been settled before.
    """
    with transaction.atomic():
        top_up = TopUp.objects.filter(payment=outcome.payment, state=TopUpState.SUCCEEDED).first()
        if top_up is None:
            return None
        lock_wallet(top_up.organization_id)
        refund = row_of(outcome, top_up, actor, at)
        if refund.gateway_id is None:
            refund.gateway_id = outcome.id
            refund.save(update_fields=["gateway_id"])
        if refund.state == RefundState.FAILED:
            return refund
        if outcome.status == "failed":
            undo_refund(refund_id=refund.id, because="the provider failed it", actor=actor, at=at)
        elif outcome.status == "succeeded" and refund.state != RefundState.SUCCEEDED:
            refund.state, refund.settled_at, refund.ask_at = RefundState.SUCCEEDED, at, None
            refund.save(update_fields=["state", "settled_at", "ask_at"])
        elif refund.state == RefundState.CREATING:
            refund.state = RefundState.PENDING
            refund.save(update_fields=["state"])
    return refund


def row_of(outcome: RefundOutcome, top_up: TopUp, actor: Actor, at: datetime) -> Refund:
    """Our row of a refund; made and booked here if the provider's dashboard made it."""
    found = Refund.objects.filter(gateway_id=outcome.id).first()
    if found is None and outcome.refund_id is not None:
        found = Refund.objects.filter(id=outcome.refund_id, top_up=top_up).first()
    if found is not None:
        return found
    settle_lots(organization_id=top_up.organization_id, at=at)
    refund = Refund.objects.create(
        organization_id=top_up.organization_id,
        top_up=top_up,
        amount=outcome.amount,
        reason="made at the payment provider",
        gateway_id=outcome.id,
        state=RefundState.PENDING,
        created_at=outcome.created_at,
        ask_at=next_question(0, at),
    )
    book_refund(refund, outcome.payment, actor, at)
    return refund


@transaction.atomic
def undo_refund(*, refund_id: UUID, because: str, actor: Actor, at: datetime) -> None:
    """A refund that did not happen: the credit returns to the wallet, once."""
    refund = Refund.objects.select_related("top_up").get(id=refund_id)
    booked = book(
        kind="refund_failed",
        external_reference=str(refund.id),
        organization_id=refund.organization_id,
        legs=[
            Leg("wallet", refund.amount, refund.organization_id),
            Leg("stripe_clearing", -refund.amount),
        ],
        event_at=at,
        facts={"because": because[:200]},
    )
    if booked is None:
        return
    add_lot(
        transaction_id=booked,
        organization_id=refund.organization_id,
        source=LotSource.PAID,
        external_reference=refund.top_up.payment or "",
        amount=refund.amount,
        at=at,
    )
    Refund.objects.filter(id=refund_id).update(state=RefundState.FAILED, settled_at=at, ask_at=None)
    audit.record(
        act="refund.failed",
        actor=actor,
        organization_id=refund.organization_id,
        subject_kind="refund",
        subject_id=refund.id,
        facts={"amount_microusd": refund.amount, "because": because[:200]},
    )
    move_wallet(organization_id=refund.organization_id, posted=refund.amount)
