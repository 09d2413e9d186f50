"""The budget of an API key as the keys page knows it: one locked limit a month."""

from datetime import datetime
from uuid import UUID

from billing.models import Budget, BudgetAction, BudgetPeriod, BudgetScope
from billing.operations.budgets import archive_budget, set_budget
from billing.queries.budgets import budgets_of
from governance.kernel.actors import Actor
from governance.kernel.money import Microdollars
from governance.kernel.registry import KeySpending


class MonthlyKeyBudgets:
    """Registered with governance, which shows and sets it without knowing billing."""

    def spending(self, organization_id: UUID, at: datetime) -> dict[UUID, KeySpending]:
        """Limit and spending of this period, held amounts included, of each key with a locked budget."""
        return {
            line.budget.subject_id: KeySpending(
                line.budget.limit_microusd, line.spent, line.budget.period
            )
            for line in budgets_of(organization_id, at=at)
            if line.budget.scope == BudgetScope.API_KEY and line.budget.action == BudgetAction.LOCK
        }

    def set_limit(
        self, organization_id: UUID, key_id: UUID, limit: int | None, actor: Actor, at: datetime
    ) -> None:
        """Set the month's limit in µUSD, or take it away. Raises InvalidRequest."""
        kind = {
            "scope": BudgetScope.API_KEY,
            "period": BudgetPeriod.MONTH,
            "action": BudgetAction.LOCK,
        }
        present = Budget.objects.filter(
            organization_id=organization_id, subject_id=key_id, archived_at=None, **kind
        ).first()
        if limit is not None:
            if present is None or present.limit_microusd != limit:
                set_budget(
                    organization_id=organization_id,
                    scope=BudgetScope.API_KEY,
                    subject_id=key_id,
                    period=BudgetPeriod.MONTH,
                    action=BudgetAction.LOCK,
                    limit=Microdollars(limit),
                    actor=actor,
                    at=at,
                )
        elif present is not None:
            archive_budget(
                organization_id=organization_id, budget_id=present.id, actor=actor, at=at
            )
