"""Budgets: what an organization, project, key or member may spend in a day or a month (UTC)."""

from uuid import UUID

from django.db import models
from django.db.models import Q


class BudgetScope(models.TextChoices):
    """Whose spending is counted."""

    ORGANIZATION = "organization"
    PROJECT = "project"
    API_KEY = "api_key"
    MEMBER = "member"


class BudgetPeriod(models.TextChoices):
    """Windows begin at midnight UTC, of the day or of the first of the month."""

    DAY = "day"
    MONTH = "month"


class BudgetAction(models.TextChoices):
    """Alert tells; requests continue. Lock refuses what would go over the limit."""

    ALERT = "alert"
    LOCK = "lock"


class Budget(models.Model):
    """One rule. ``limit_microusd`` in µUSD; whether it is reached is derived, never stored."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    scope = models.CharField(max_length=16, choices=BudgetScope)
    subject_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    period = models.CharField(max_length=8, choices=BudgetPeriod)
    action = models.CharField(max_length=8, choices=BudgetAction)
    limit_microusd = models.BigIntegerField()
    alert_percents = models.JSONField(default=list)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_budget"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "scope", "subject_id", "period", "action"],
                condition=Q(archived_at__isnull=True),
                name="budget_once_per_subject",
            ),
            models.CheckConstraint(condition=Q(limit_microusd__gte=0), name="budget_limit"),
            models.CheckConstraint(
                condition=Q(scope__in=BudgetScope.values)
                & Q(period__in=BudgetPeriod.values)
                & Q(action__in=BudgetAction.values),
                name="budget_words_known",
            ),
        ]


class BudgetWindow(models.Model):
    """Counters of one budget in one period: held by open jobs, used by captured ones; µUSD."""

    pk = models.CompositePrimaryKey("budget_id", "window_start")
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="windows")
    window_start = models.DateTimeField()
    held = models.BigIntegerField(default=0)
    used = models.BigIntegerField(default=0)
    alerted_percent = models.PositiveSmallIntegerField(default=0)

    class Meta:
        db_table = "billing_budget_window"
        constraints = [
            models.CheckConstraint(
                condition=Q(held__gte=0) & Q(used__gte=0), name="budget_window_not_negative"
            )
        ]
