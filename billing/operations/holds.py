"""Holds: set aside at submission, captured at delivery, voided otherwise; nothing else charges."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from billing.models import Hold, HoldState
from billing.queries.balances import balance_of
from billing.queries.quotes import Quote
from governance.kernel.errors import DomainError
from governance.kernel.ids import uuid7
from governance.kernel.money import format_usd
from governance.models import Organization
from governance.operations.api_keys import InvalidApiKey


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


class BudgetReached(DomainError):
    """A locked budget would go over its limit; nothing was written."""

    code = "project_spend_limit_exceeded"
    title = "A spending limit is reached"
    status = 429


class KeyRevoked(InvalidApiKey):
    """The API key was revoked or has expired before the hold could commit."""


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


@dataclass(frozen=True, kw_only=True)
class HoldRequest:
    """What is to be set aside, for whom and for which job. A test job holds 0 µUSD.

    ``idempotency_key`` and ``request_sha256``: the same key and request return the first result.
    """

    organization_id: UUID
    project_id: UUID
    api_key_id: UUID | None
    job_id: UUID
    quote: Quote
    idempotency_key: str
    request_sha256: str
    at: datetime
    member_id: UUID | None = None
    test_mode: bool = False

    @property
    def amount(self) -> int:
        """µUSD to set aside."""
        return 0 if self.test_mode else self.quote.amount

    @property
    def per_image(self) -> int:
        """µUSD that each delivered image will cost."""
        return 0 if self.test_mode else self.quote.per_image


OPEN_HOLD = """
SELECT * FROM billing_open_hold(%(id)s, %(organization)s, %(project)s, %(key)s, %(member)s, %(job)s,
    %(idempotency)s, %(sha)s, %(amount)s, %(per_image)s, %(price)s, %(quote)s, %(at)s)
"""


def nothing(*_: object) -> None:
    """For a caller without conditions or rows of its own."""


@transaction.atomic
def place_hold(
    *,
    request: HoldRequest,
    require: Callable[[], None] = nothing,
    write_job: Callable[[UUID], None] = nothing,
) -> HoldResult:
    """Reserve the quote's amount for one job, in one transaction with the job's own rows.

    ``require`` is called first and refuses by raising; ``write_job`` between the hold and the wallet,
    whose row lock thus comes last. A request that was made before returns its first result;
    ``write_job`` is not called then.

    Raises InsufficientBalance, BudgetReached, IdempotencyKeyReused, KeyRevoked; nothing is written
    then.
    """
    require()
    values = {
        "id": uuid7(),
        "organization": request.organization_id,
        "project": request.project_id,
        "key": request.api_key_id,
        "member": request.member_id,
        "job": request.job_id,
        "idempotency": request.idempotency_key,
        "sha": request.request_sha256,
        "amount": request.amount,
        "per_image": request.per_image,
        "price": request.quote.price_version_id,
        "quote": json.dumps(request.quote.as_json()),
        "at": request.at,
    }
    with connection.cursor() as cursor:
        cursor.execute(OPEN_HOLD, values)
        result = answered(request, *cursor.fetchone())
    if result.created:
        write_job(result.hold_id)
        if not reserve(request.organization_id, request.amount):
            raise insufficient(request.organization_id, request.amount)
    return result


def answered(
    request: HoldRequest,
    outcome: str,
    hold_id: UUID,
    job_id: UUID,
    held: int,
    first_request: str,
    facts: Any,
) -> HoldResult:
    """What the database said to one request. Raises the refusal that it names."""
    if outcome == "replayed":
        return replayed(hold_id, job_id, held, same=first_request == request.request_sha256)
    if outcome == "key_revoked":
        raise KeyRevoked("The API key was revoked or has expired.")
    if outcome == "budget_reached":
        raise budget_reached(json.loads(facts) if isinstance(facts, str) else facts)
    return HoldResult(hold_id, held, created=True, job_id=job_id)


def reserve(organization_id: UUID, amount: int) -> bool:
    """Take ``amount`` µUSD from what is available; False where it is not there. The last statement."""
    if not amount:
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_reserve(%s, %s)", [organization_id, amount])
        return bool(cursor.fetchone()[0])


def replayed(hold_id: UUID, job_id: UUID, held: int, *, same: bool) -> HoldResult:
    """The hold that this key made before. Raises IdempotencyKeyReused for another request."""
    if not same:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used with another request. Send a new key for a new request.",
            generation_id=str(job_id),
        )
    return HoldResult(hold_id, held, created=False, job_id=job_id)


def budget_reached(facts: dict[str, Any]) -> BudgetReached:
    """The refusal with the budget's figures and when it opens again."""
    return BudgetReached(
        f"The {facts['period']}'s budget of the {facts['scope'].replace('_', ' ')} is "
        f"{format_usd(facts['limit_microusd'])}; {format_usd(facts['spent_microusd'])} of it is "
        f"spent or held and {format_usd(facts['required_microusd'])} is needed. "
        f"Raise it at {settings.PUBLIC_URL}/ under Budgets, or wait for {facts['resets_at']}.",
        **facts,
    )


def insufficient(organization_id: UUID, amount: int) -> InsufficientBalance:
    """The refusal with its figures and what to do."""
    available = balance_of(organization_id).available
    slug = Organization.objects.values_list("slug", flat=True).get(id=organization_id)
    return InsufficientBalance(
        f"{format_usd(amount)} is needed and {format_usd(available)} is available. "
        f"Top up at {settings.PUBLIC_URL}/o/{slug}/billing/.",
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
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM billing_capture_hold(%s, %s, %s, %s)",
            [hold_id, delivered_images, lease_epoch, at],
        )
        outcome, charged = cursor.fetchone()
    if outcome == "fenced":
        raise HoldFenced(f"hold {hold_id} belongs to another attempt or is resolved")
    return CaptureResult(charged, already=outcome == "already")


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
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT billing_release_hold(%s, %s, %s, %s)",
            [hold_id, state.value, reason[:64], at],
        )
        (released,) = cursor.fetchone()
    return bool(released)
