"""Holds: set aside at submission, captured at delivery, voided otherwise; nothing else charges."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from billing.models import Hold, HoldState
from billing.operations.journal import Leg, book, move_wallet
from billing.queries.balances import balance_of
from billing.queries.quotes import Quote
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.kernel.money import format_usd


class InsufficientBalance(DomainError):
    """The available balance does not cover the hold; nothing was written."""

    code = "insufficient_balance"
    title = "The prepaid balance is too low"
    status = 402


class IdempotencyKeyReused(DomainError):
    """The idempotency key was used with another request."""

    code = "idempotency_key_reused"
    title = "The idempotency key belongs to another request"
    status = 422


class KeyRevoked(DomainError):
    """The API key was revoked or has expired before the hold could commit."""

    code = "invalid_api_key"
    title = "The API key is not valid"
    status = 401


class HoldFenced(Exception):
    """Another attempt has the job now; this one may not resolve the hold."""


@dataclass(frozen=True)
class HoldResult:
    """The hold, and whether this call made it."""

    hold_id: UUID
    amount: int
    created: bool
    job_id: UUID


@dataclass(frozen=True)
class CaptureResult:
    """What a delivery cost; ``already`` when it had been captured before."""

    amount: int
    already: bool


INSERT_HOLD = """
INSERT INTO billing_hold (id, organization_id, project_id, api_key_id, member_id, job_id,
    idempotency_key, request_sha256, amount, per_image, price_version_id, quote, state, captured,
    reason, lease_epoch, created_at)
SELECT %(id)s, %(organization)s, %(project)s, %(key)s, %(member)s, %(job)s, %(idempotency)s,
    %(sha)s, %(amount)s, %(per_image)s, %(price)s, %(quote)s, 'open', 0, '', 0, %(at)s
ON CONFLICT (organization_id, idempotency_key) DO NOTHING
RETURNING id
"""

# The key is read in the hold's own transaction: one that was revoked before this commit holds nothing.
LIVE_KEY = """
SELECT 1 FROM governance_api_key
WHERE id = %(key)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(at)s)
FOR SHARE
"""

RESERVE = """
UPDATE billing_wallet SET held = held + %(amount)s, version = version + 1
WHERE organization_id = %(organization)s AND posted - held >= %(amount)s
"""


@transaction.atomic
def place_hold(
    *,
    organization_id: UUID,
    project_id: UUID,
    api_key_id: UUID | None,
    job_id: UUID,
    quote: Quote,
    idempotency_key: str,
    request_sha256: str,
    at: datetime,
    write_job: Callable[[UUID], None],
    member_id: UUID | None = None,
    test_mode: bool = False,
) -> HoldResult:
    """Reserve the quote's amount for one job, in one transaction with the job's own rows.

    ``write_job`` is called between the hold and the wallet, whose row lock thus comes last. The same
    key and request return the first result; ``write_job`` is not called then. A test job holds 0 µUSD.

    Raises InsufficientBalance, IdempotencyKeyReused, KeyRevoked; nothing is written then.
    """
    amount = 0 if test_mode else quote.amount
    values = {
        "id": uuid7(),
        "organization": organization_id,
        "project": project_id,
        "key": api_key_id,
        "member": member_id,
        "job": job_id,
        "idempotency": idempotency_key,
        "sha": request_sha256,
        "amount": amount,
        "per_image": 0 if test_mode else quote.per_image,
        "price": quote.price_version_id,
        "quote": json.dumps(quote.as_json()),
        "at": at,
    }
    with connection.cursor() as cursor:
        cursor.execute(INSERT_HOLD, values)
        if cursor.fetchone() is None:
            return earlier_hold(organization_id, idempotency_key, request_sha256)
        if api_key_id is not None:
            cursor.execute(LIVE_KEY, values)
            if cursor.fetchone() is None:
                raise KeyRevoked("The API key was revoked or has expired.")
        hold_id = values["id"]
        assert isinstance(hold_id, UUID)
        write_job(hold_id)
        if amount:
            cursor.execute(RESERVE, values)
            if cursor.rowcount == 0:
                raise insufficient(organization_id, amount)
    return HoldResult(hold_id, amount, created=True, job_id=job_id)


def earlier_hold(organization_id: UUID, idempotency_key: str, sha256: str) -> HoldResult:
    """The hold that this key made before. Raises IdempotencyKeyReused for another request."""
    hold = Hold.objects.get(organization_id=organization_id, idempotency_key=idempotency_key)
    if hold.request_sha256 != sha256:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used with another request. Send a new key for a new request.",
            generation_id=str(hold.job_id),
        )
    return HoldResult(hold.id, hold.amount, created=False, job_id=hold.job_id)


def insufficient(organization_id: UUID, amount: int) -> InsufficientBalance:
    """The refusal with its figures and what to do."""
    available = balance_of(organization_id).available
    return InsufficientBalance(
        f"{format_usd(amount)} is needed and {format_usd(available)} is available. "
        f"Top up at {settings.PUBLIC_URL}/ under Billing.",
        required_microusd=amount,
        available_microusd=available,
    )


def fence_hold(*, hold_id: UUID, lease_epoch: int) -> None:
    """Give the hold to one attempt; an earlier attempt can no longer capture it."""
    Hold.objects.filter(id=hold_id, state=HoldState.OPEN, lease_epoch__lt=lease_epoch).update(
        lease_epoch=lease_epoch
    )


@transaction.atomic
def capture_hold(
    *, hold_id: UUID, delivered_images: int, lease_epoch: int, at: datetime
) -> CaptureResult:
    """Charge the delivered images at the hold's own price and release the rest.

    Asked again, the recorded outcome is returned. Raises HoldFenced for another attempt's epoch, or
    when the hold was voided.
    """
    hold = Hold.objects.select_for_update().get(id=hold_id)
    if hold.state == HoldState.CAPTURED and hold.lease_epoch == lease_epoch:
        return CaptureResult(hold.captured, already=True)
    if hold.state != HoldState.OPEN or hold.lease_epoch != lease_epoch:
        raise HoldFenced(f"hold {hold_id} is {hold.state} at epoch {hold.lease_epoch}")
    charged = hold.per_image * delivered_images
    hold.state, hold.captured, hold.resolved_at = HoldState.CAPTURED, charged, at
    hold.save(update_fields=["state", "captured", "resolved_at"])
    if charged:
        book(
            kind="capture",
            external_reference=str(hold.id),
            organization_id=hold.organization_id,
            legs=[Leg("wallet", -charged, hold.organization_id), Leg("revenue", charged)],
            event_at=at,
            facts={"job": str(hold.job_id), "images": delivered_images},
        )
    move_wallet(organization_id=hold.organization_id, posted=-charged, held=-hold.amount)
    return CaptureResult(charged, already=False)


@transaction.atomic
def void_hold(*, hold_id: UUID, reason: str, at: datetime) -> bool:
    """Release a hold without a charge; False when it was resolved before."""
    return release(hold_id, HoldState.VOIDED, reason, at)


@transaction.atomic
def expire_hold(*, hold_id: UUID, at: datetime) -> bool:
    """Release a hold whose job is known to be over; False when it was resolved before."""
    return release(hold_id, HoldState.EXPIRED, "expired", at)


def release(hold_id: UUID, state: HoldState, reason: str, at: datetime) -> bool:
    """Resolve an open hold without legs: pending amounts never enter the journal."""
    hold = Hold.objects.select_for_update().get(id=hold_id)
    if hold.state != HoldState.OPEN:
        return False
    hold.state, hold.reason, hold.resolved_at = state, reason[:64], at
    hold.save(update_fields=["state", "reason", "resolved_at"])
    if hold.amount:
        move_wallet(organization_id=hold.organization_id, held=-hold.amount)
    return True
