"""Booking a past that never was: for the demo's history, and for nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from billing.models import Budget, BudgetAction, BudgetPeriod, BudgetScope, LedgerTransaction
from billing.operations.budgets import set_budget
from governance.kernel.actors import SYSTEM
from governance.kernel.money import Microdollars


@contextmanager
def booked_in_the_past(at: datetime) -> Iterator[None]:
    """One transaction whose bookings carry ``at``. A closed period refuses them all the same."""
    with transaction.atomic():
        name_time(at.isoformat())
        yield
        name_time("")


def name_time(value: str) -> None:
    """The journal's time until the transaction ends; empty is the database's own clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('licet.booked_at', %s, true)", [value])


def is_booked(reference: str) -> bool:
    """Whether a paid credit of this reference is in the journal."""
    return LedgerTransaction.objects.filter(
        kind="credit_paid", external_reference=reference
    ).exists()


def keep_project_budget(
    *, organization_id: UUID, project_id: UUID, limit: Microdollars, at: datetime
) -> None:
    """A monthly limit in µUSD that locks the project; one that is there stays as it is."""
    if Budget.objects.filter(organization_id=organization_id, subject_id=project_id).exists():
        return
    set_budget(
        organization_id=organization_id,
        scope=BudgetScope.PROJECT,
        subject_id=project_id,
        period=BudgetPeriod.MONTH,
        action=BudgetAction.LOCK,
        limit=limit,
        actor=SYSTEM,
        at=at,
    )
