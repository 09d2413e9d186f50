"""What the billing page shows beside the balance: runway, lots, payments, statements, reconciliation."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import Max, Sum

from billing.models import (
    CreditLot,
    PaymentProfile,
    ReconciliationRun,
    Statement,
    TopUp,
    UsageRollup,
)
from governance.kernel.tenancy import privileged

BURN_DAYS = 7
SHOWN = 12


@dataclass(frozen=True)
class Runway:
    """How long the balance lasts at the pace of the last week; None where nothing was spent."""

    per_day: int
    days: int | None
    until: date | None


def runway_of(organization_id: UUID, available: int, *, at: datetime) -> Runway:
    """From the seven full days before today, µUSD a day."""
    today = at.date()
    spent = UsageRollup.objects.filter(
        organization_id=organization_id, day__gte=today - timedelta(days=BURN_DAYS), day__lt=today
    ).aggregate(s=Sum("charged"))["s"]
    per_day = int(spent or 0) // BURN_DAYS
    if per_day <= 0:
        return Runway(per_day, None, None)
    days = max(available, 0) // per_day
    return Runway(per_day, days, today + timedelta(days=min(days, 3650)))


def lots_of(organization_id: UUID) -> list[CreditLot]:
    """Lots with credit left as of the last settling."""
    return list(
        CreditLot.objects.filter(organization_id=organization_id, remaining__gt=0).order_by(
            "-source", "expires_at", "created_at"
        )
    )


def payments_of(organization_id: UUID) -> list[TopUp]:
    """The last payments."""
    rows = TopUp.objects.filter(organization_id=organization_id).prefetch_related("refunds")
    return list(rows.order_by("-created_at")[:SHOWN])


def statements_of(organization_id: UUID) -> list[Statement]:
    """Closed months, newest first."""
    return list(Statement.objects.filter(organization_id=organization_id).order_by("-number"))


def profile_of(organization_id: UUID) -> PaymentProfile:
    """How the organization pays; unsaved defaults for one that never paid."""
    found = PaymentProfile.objects.filter(organization_id=organization_id).first()
    return found or PaymentProfile(organization_id=organization_id)


@privileged()
def last_reconciliation() -> datetime | None:
    """When the books were compared last. What differed is the operator's alone: it is everybody's."""
    at: datetime | None = ReconciliationRun.objects.aggregate(at=Max("started_at"))["at"]
    return at
