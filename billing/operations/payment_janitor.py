"""Payments of unknown outcome: asked about after 1 minute, 5 minutes, 1 hour, and then every day."""

from datetime import datetime, timedelta
from uuid import UUID

from billing.gateways.protocol import Gateway, GatewayRefused, GatewayUnavailable
from billing.models import OPEN_TOP_UPS, Refund, RefundState, TopUp, TopUpState, TopUpTrigger
from billing.operations.automatic_top_up import note_automatic_decline
from billing.operations.refunds import send_refund, settle_refund, undo_refund
from billing.operations.top_ups import end_top_up, next_question, refresh_top_up
from governance.kernel.actors import SYSTEM

BATCH = 100
# Stripe forgets idempotency keys after a day and finds payments by metadata within a minute.
GIVE_UP_AFTER = timedelta(days=1)


def ask_about_payments(*, gateway: Gateway, at: datetime) -> int:
    """Ask about every top-up and refund whose outcome is not known; returns how many. Repeatable."""
    asked = 0
    due = TopUp.objects.filter(ask_at__lte=at).order_by("ask_at").values_list("id", flat=True)
    for top_up_id in list(due[:BATCH]):
        ask_about_top_up(top_up_id, gateway, at)
        asked += 1
    open_refunds = Refund.objects.filter(ask_at__lte=at).order_by("ask_at")
    for refund_id in list(open_refunds.values_list("id", flat=True)[:BATCH]):
        ask_about_refund(refund_id, gateway, at)
        asked += 1
    return asked


def ask_about_top_up(top_up_id: UUID, gateway: Gateway, at: datetime) -> None:
    """One question; whatever the answer, the next one is set before it is asked."""
    top_up = TopUp.objects.get(id=top_up_id)
    TopUp.objects.filter(id=top_up_id, asked=top_up.asked).update(
        asked=top_up.asked + 1, ask_at=next_question(top_up.asked + 1, at)
    )
    try:
        refresh_top_up(top_up=top_up, gateway=gateway, actor=SYSTEM, at=at)
    except (GatewayUnavailable, GatewayRefused):
        return
    top_up.refresh_from_db()
    unknown_there = top_up.payment is None and top_up.checkout_session is None
    if top_up.state in OPEN_TOP_UPS and unknown_there and at - top_up.created_at > GIVE_UP_AFTER:
        give_up(top_up, at)


def give_up(top_up: TopUp, at: datetime) -> None:
    """Stripe has never heard of it in a day: it was not charged and is never sent again."""
    reason = "it never reached the payment provider"
    if top_up.trigger == TopUpTrigger.AUTOMATIC:
        note_automatic_decline(top_up_id=top_up.id, failure=reason, at=at)
    else:
        end_top_up(top_up, TopUpState.FAILED, reason, at)


def ask_about_refund(refund_id: UUID, gateway: Gateway, at: datetime) -> None:
    """A refund that the provider knows is fetched; one that it may not know is sent again."""
    refund = Refund.objects.select_related("top_up").get(id=refund_id)
    Refund.objects.filter(id=refund_id, asked=refund.asked).update(
        asked=refund.asked + 1, ask_at=next_question(refund.asked + 1, at)
    )
    if refund.state not in (RefundState.CREATING, RefundState.PENDING):
        Refund.objects.filter(id=refund_id).update(ask_at=None)
        return
    try:
        outcome = (
            gateway.refund_now(refund.gateway_id)
            if refund.gateway_id
            else gateway.find_refund(refund_id=refund.id, payment=refund.top_up.payment or "")
        )
    except (GatewayUnavailable, GatewayRefused):
        return
    if outcome is not None:
        settle_refund(outcome=outcome, actor=SYSTEM, at=at)
    elif at - refund.created_at < GIVE_UP_AFTER:
        send_refund(refund=refund, gateway=gateway, actor=SYSTEM, at=at)
    else:
        because = "it never reached the payment provider"
        undo_refund(refund_id=refund.id, because=because, actor=SYSTEM, at=at)
