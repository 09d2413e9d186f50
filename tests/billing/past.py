"""Money and jobs of a month that is over, for tests of its books."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from billing.models import (
    Hold,
    LedgerEntry,
    LedgerTransaction,
    Wallet,
)
from billing.queries.quotes import quote_generation
from governance.kernel.ids import uuid7

if TYPE_CHECKING:
    from tests.billing.conftest import Account

OCTOBER, NOVEMBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


def past_credit(account: "Account", amount: int, at: datetime) -> None:
    """A top-up that the journal booked in the past."""
    book_at(account.organization.id, "credit_paid", str(uuid7()), amount, "stripe_clearing", at)


def book_at(
    organization_id: UUID,
    kind: str,
    reference: str,
    amount: int,
    other: str,
    at: datetime,
    **facts: Any,
) -> None:
    row = LedgerTransaction.objects.create(
        kind=kind,
        external_reference=reference,
        organization_id=organization_id,
        event_at=at,
        booked_at=at,
        facts=facts,
    )
    LedgerEntry.objects.create(
        transaction=row, leg=0, account="wallet", organization_id=organization_id, amount=amount
    )
    LedgerEntry.objects.create(transaction=row, leg=1, account=other, amount=-amount)
    wallet, _ = Wallet.objects.get_or_create(organization_id=organization_id)
    wallet.posted += amount
    wallet.save()


def past_job(
    account: "Account", at: datetime, *, images: int = 1, delivered: int = 1, side: int = 1024
) -> Hold:
    """A job that ended in the past; nothing delivered is a failure."""
    quote = quote_generation(
        release_slug="krea-2-tiny-turbo",
        variant="turbo",
        width=side,
        height=side,
        steps=8,
        images=images,
        at=at,
    )
    charged = quote.per_image * delivered
    hold = Hold.objects.create(
        organization=account.organization,
        project_id=account.key.key.project_id,
        api_key_id=account.key.key.id,
        job_id=uuid7(),
        idempotency_key=str(uuid7()),
        request_sha256="",
        amount=quote.amount,
        per_image=quote.per_image,
        price_version_id=quote.price_version_id,
        quote=quote.as_json(),
        state="captured" if delivered else "voided",
        captured=charged,
        reason="" if delivered else "engine_failed",
        created_at=at,
        resolved_at=at,
    )
    if delivered:
        book_at(
            account.organization.id,
            "capture",
            str(hold.id),
            -charged,
            "revenue",
            at,
            job=str(hold.job_id),
        )
    return hold
