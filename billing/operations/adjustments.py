"""Corrections by people: a reason, somebody who asks and somebody else who approves."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.models import Adjustment, AdjustmentState, LotSource
from billing.operations.journal import Leg, book, move_wallet
from billing.operations.lots import add_lot, lock_wallet, settle_lots
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.operations import audit


class ApproverNeeded(DomainError):
    """Nobody approves their own adjustment."""

    code = "approver_needed"
    title = "Somebody else has to approve"
    status = 403


class AdjustmentDecided(DomainError):
    """The adjustment was approved or declined before."""

    code = "adjustment_decided"
    title = "The adjustment is decided"
    status = 409


@transaction.atomic
def request_adjustment(
    *, organization_id: UUID, amount: int, reason: str, actor: Actor, at: datetime
) -> Adjustment:
    """Ask for a correction of ``amount`` µUSD (negative: take away); nothing is booked yet.

    Raises InvalidRequest.
    """
    if not reason.strip() or amount == 0:
        raise InvalidRequest("An adjustment has a reason and an amount.", param="reason")
    asked = Adjustment.objects.create(
        organization_id=organization_id,
        amount=amount,
        reason=reason.strip()[:500],
        asked_by=actor.id,
        asked_by_label=actor.label,
        asked_at=at,
    )
    record(asked, "adjustment.requested", actor)
    return asked


@transaction.atomic
def approve_adjustment(*, adjustment_id: UUID, actor: Actor, at: datetime) -> None:
    """Book what another person asked for, once.

    Raises NotFound, AdjustmentDecided, ApproverNeeded; nothing is written then.
    """
    asked = waiting_adjustment(adjustment_id)
    adjust_balance(
        organization_id=asked.organization_id,
        amount=asked.amount,
        reason=asked.reason,
        external_reference=f"adjustment:{asked.id}",
        actor=Actor(kind="user", id=asked.asked_by, label=asked.asked_by_label),
        approver=actor,
        at=at,
    )
    decide(asked, AdjustmentState.APPROVED, actor, at)


@transaction.atomic
def decline_adjustment(*, adjustment_id: UUID, actor: Actor, at: datetime) -> None:
    """Say no, or take back what one asked for oneself. Raises NotFound, AdjustmentDecided."""
    asked = waiting_adjustment(adjustment_id)
    decide(asked, AdjustmentState.DECLINED, actor, at)


def waiting_adjustment(adjustment_id: UUID) -> Adjustment:
    """The locked row. Raises NotFound, AdjustmentDecided."""
    asked = Adjustment.objects.select_for_update().filter(id=adjustment_id).first()
    if asked is None:
        raise NotFound("There is no such adjustment.")
    if asked.state != AdjustmentState.WAITING:
        raise AdjustmentDecided(f"It was {asked.state} by {asked.decided_by_label}.")
    return asked


def decide(asked: Adjustment, state: AdjustmentState, actor: Actor, at: datetime) -> None:
    """Keep who decided and when, in the row and in the audit log."""
    asked.state, asked.decided_at = state, at
    asked.decided_by, asked.decided_by_label = actor.id, actor.label
    asked.save(update_fields=["state", "decided_at", "decided_by", "decided_by_label"])
    record(asked, f"adjustment.{state.value}", actor)


def record(asked: Adjustment, act: str, actor: Actor) -> None:
    """One audit entry about an adjustment."""
    audit.record(
        act=act,
        actor=actor,
        organization_id=asked.organization_id,
        subject_kind="adjustment",
        subject_id=asked.id,
        facts={"amount_microusd": asked.amount, "reason": asked.reason},
    )


@transaction.atomic
def adjust_balance(
    *,
    organization_id: UUID,
    amount: int,
    reason: str,
    external_reference: str,
    actor: Actor,
    approver: Actor,
    at: datetime,
) -> bool:
    """Move ``amount`` µUSD (negative: take away), once per reference; False when done before.

    Credit that is added is promotional: it does not go to a card. Raises ApproverNeeded,
    InvalidRequest.
    """
    if approver.id == actor.id or approver.kind != "user":
        raise ApproverNeeded("An adjustment is approved by a second person.")
    if not reason.strip() or amount == 0:
        raise InvalidRequest("An adjustment has a reason and an amount.", param="reason")
    lock_wallet(organization_id)
    settle_lots(organization_id=organization_id, at=at)
    booked = book(
        kind="adjustment",
        external_reference=external_reference,
        organization_id=organization_id,
        legs=[Leg("wallet", amount, organization_id), Leg("adjustment", -amount)],
        event_at=at,
        facts={"reason": reason, "approver": approver.label or approver.id},
    )
    if booked is None:
        return False
    if amount > 0:
        add_lot(
            transaction_id=booked,
            organization_id=organization_id,
            source=LotSource.PROMOTIONAL,
            external_reference=external_reference,
            amount=amount,
            at=at,
        )
    audit.record(
        act="balance.adjusted",
        actor=actor,
        organization_id=organization_id,
        subject_kind="ledger_transaction",
        subject_id=booked,
        facts={
            "amount_microusd": amount,
            "reason": reason,
            "approver_id": approver.id,
            "approver": approver.label,
        },
    )
    move_wallet(organization_id=organization_id, posted=amount)
    return True
