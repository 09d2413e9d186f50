"""Corrections by people: a reason, somebody who asks and somebody else who approves."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.models import LotSource
from billing.operations.journal import Leg, book, move_wallet
from billing.operations.lots import add_lot, lock_wallet, settle_lots
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest
from governance.operations import audit


class ApproverNeeded(DomainError):
    """Nobody approves their own adjustment."""

    code = "approver_needed"
    title = "Somebody else has to approve"
    status = 403


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
