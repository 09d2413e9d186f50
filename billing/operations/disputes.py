"""Disputed payments: the wallet follows the money that Stripe took and gave back, each step once."""

from datetime import datetime

from django.db import transaction

from billing.gateways.protocol import DisputeOutcome
from billing.models import Dispute, LotSource, TopUp, TopUpState
from billing.operations.journal import Leg, book, move_wallet
from billing.operations.lots import add_lot, lock_wallet, settle_lots, take_back
from governance.kernel.actors import Actor
from governance.operations import audit

CLOSED = frozenset({"won", "lost", "warning_closed"})


@transaction.atomic
def settle_dispute(*, outcome: DisputeOutcome, actor: Actor, at: datetime) -> Dispute | None:
    """Make our rows say what the provider says; None for a payment that is not ours.

    A withdrawal debits the wallet, below zero if the credit was spent: then new holds are refused
    for lack of balance. A won dispute credits it once. An inquiry (``warning_...``) moves nothing.
    The provider's fee is the host's, never the tenant's.
    """
    top_up = TopUp.objects.filter(payment=outcome.payment, state=TopUpState.SUCCEEDED).first()
    if top_up is None:
        return None
    lock_wallet(top_up.organization_id)
    dispute, _ = Dispute.objects.get_or_create(
        id=outcome.id,
        defaults={
            "organization_id": top_up.organization_id,
            "top_up": top_up,
            "amount": outcome.amount,
            "status": outcome.status,
            "opened_at": outcome.created_at,
        },
    )
    if outcome.withdrawn and not dispute.withdrawn:
        withdraw(dispute, outcome.payment, actor, at)
    if outcome.reinstated and dispute.withdrawn and not dispute.reinstated:
        reinstate(dispute, outcome.payment, actor, at)
    if dispute.status not in CLOSED:
        dispute.status = outcome.status
        dispute.closed_at = at if outcome.status in CLOSED else None
    dispute.save()
    return dispute


def withdraw(dispute: Dispute, payment: str, actor: Actor, at: datetime) -> None:
    """The bank took the money: out of the payment's own lot first, then the others, then debt."""
    settle_lots(organization_id=dispute.organization_id, at=at)
    booked = book(
        kind="dispute_withdrawn",
        external_reference=dispute.id,
        organization_id=dispute.organization_id,
        legs=[
            Leg("wallet", -dispute.amount, dispute.organization_id),
            Leg("dispute_reserve", dispute.amount),
        ],
        event_at=dispute.opened_at,
        facts={"payment": payment},
    )
    assert booked is not None, "the wallet's lock lets a dispute withdraw once"
    take_back(
        organization_id=dispute.organization_id,
        payment=payment,
        amount=dispute.amount,
        kind="disputed",
        reference=dispute.id,
        at=at,
    )
    dispute.withdrawn = True
    note(dispute, "dispute.withdrawn", actor)
    move_wallet(organization_id=dispute.organization_id, posted=-dispute.amount)


def reinstate(dispute: Dispute, payment: str, actor: Actor, at: datetime) -> None:
    """The bank gave the money back: a new lot of paid credit."""
    booked = book(
        kind="dispute_reinstated",
        external_reference=dispute.id,
        organization_id=dispute.organization_id,
        legs=[
            Leg("wallet", dispute.amount, dispute.organization_id),
            Leg("dispute_reserve", -dispute.amount),
        ],
        event_at=at,
        facts={"payment": payment},
    )
    assert booked is not None, "the wallet's lock lets a dispute return once"
    add_lot(
        transaction_id=booked,
        organization_id=dispute.organization_id,
        source=LotSource.PAID,
        external_reference=payment,
        amount=dispute.amount,
        at=at,
    )
    dispute.reinstated = True
    note(dispute, "dispute.reinstated", actor)
    move_wallet(organization_id=dispute.organization_id, posted=dispute.amount)


def note(dispute: Dispute, act: str, actor: Actor) -> None:
    """One audit entry."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=dispute.organization_id,
        subject_kind="dispute",
        subject_id=dispute.id,
        facts={"amount_microusd": dispute.amount},
    )
