"""Setting budgets and telling people before the wall."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.models import Budget, BudgetAction, BudgetPeriod, BudgetScope
from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidRequest, NotFound
from governance.kernel.money import LARGEST_AMOUNT, Microdollars
from governance.operations import audit

ALERTS = (50, 80, 100)


@transaction.atomic
def set_budget(
    *,
    organization_id: UUID,
    scope: BudgetScope,
    subject_id: UUID,
    period: BudgetPeriod,
    action: BudgetAction,
    limit: Microdollars,
    actor: Actor,
    at: datetime,
    alert_percents: tuple[int, ...] = ALERTS,
) -> Budget:
    """Set the limit in µUSD of one subject; an existing rule of the same kind is changed.

    What was spent before the rule existed in the running period does not count. Raises
    InvalidRequest.
    """
    if not 0 <= limit <= LARGEST_AMOUNT:
        raise InvalidRequest("The limit must be zero or more.", param="limit_microusd")
    if not all(0 < percent <= ALERTS[-1] for percent in alert_percents):
        raise InvalidRequest("Alerts are from 1 to 100 percent.", param="alert_percents")
    budget, created = Budget.objects.update_or_create(
        organization_id=organization_id,
        scope=scope,
        subject_id=subject_id,
        period=period,
        action=action,
        archived_at=None,
        defaults={"limit_microusd": limit, "alert_percents": sorted(alert_percents)},
        create_defaults={
            "limit_microusd": limit,
            "alert_percents": sorted(alert_percents),
            "created_at": at,
        },
    )
    audit.record(
        act="budget.set" if created else "budget.changed",
        actor=actor,
        organization_id=organization_id,
        subject_kind="budget",
        subject_id=budget.id,
        facts={
            "scope": scope,
            "subject": str(subject_id),
            "period": period,
            "action": action,
            "limit_microusd": limit,
        },
    )
    return budget


@transaction.atomic
def archive_budget(*, organization_id: UUID, budget_id: int, actor: Actor, at: datetime) -> None:
    """Take a rule out of force; open holds keep counting in its window. Raises NotFound."""
    budget = (
        Budget.objects.select_for_update()
        .filter(id=budget_id, organization_id=organization_id, archived_at=None)
        .first()
    )
    if budget is None:
        raise NotFound("There is no such budget.")
    budget.archived_at = at
    budget.save(update_fields=["archived_at"])
    audit.record(
        act="budget.archived",
        actor=actor,
        organization_id=organization_id,
        subject_kind="budget",
        subject_id=budget.id,
    )
