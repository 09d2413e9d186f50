"""Budgets for people: what is spent now, the last two periods, and when a cap would have been reached."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db.models import Sum

from billing.models import Budget, BudgetPeriod, BudgetScope, BudgetWindow, UsageRollup
from governance.models import ApiKey, Membership, Project

COLUMNS = {
    BudgetScope.PROJECT: "project_id",
    BudgetScope.API_KEY: "api_key_id",
    BudgetScope.MEMBER: "member_id",
}


@dataclass(frozen=True)
class BudgetLine:
    """One rule with its figures, µUSD."""

    budget: Budget
    subject: str
    held: int
    used: int
    before: tuple[tuple[date, int], ...]

    @property
    def spent(self) -> int:
        """Used and held: what the limit is compared with."""
        return self.used + self.held


def window_start(period: str, at: datetime) -> datetime:
    """Midnight UTC of the day, or of the first of the month."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if period == BudgetPeriod.DAY else day.replace(day=1)


def budgets_of(organization_id: UUID, *, at: datetime) -> list[BudgetLine]:
    """Rules in force, the organization's own first."""
    rules = Budget.objects.filter(organization_id=organization_id, archived_at=None)
    names = subjects_of(organization_id)
    lines = []
    for rule in rules.order_by("scope", "id"):
        windows = list(BudgetWindow.objects.filter(budget=rule).order_by("-window_start")[:3])
        start = window_start(rule.period, at)
        now = next((window for window in windows if window.window_start == start), None)
        before = tuple(
            (window.window_start.date(), window.used)
            for window in windows
            if window.window_start < start
        )[:2]
        name = names.get((rule.scope, rule.subject_id), "removed")
        lines.append(BudgetLine(rule, name, now.held if now else 0, now.used if now else 0, before))
    return lines


def subjects_of(organization_id: UUID) -> dict[tuple[str, UUID], str]:
    """Everything that a budget may be set on, by scope and id, with its name."""
    subjects: dict[tuple[str, UUID], str] = {
        (BudgetScope.ORGANIZATION, organization_id): "The whole organization"
    }
    for project in Project.objects.filter(organization_id=organization_id, archived_at=None):
        subjects[BudgetScope.PROJECT, project.id] = f"Project {project.name}"
    for key in ApiKey.objects.filter(organization_id=organization_id, revoked_at=None):
        subjects[BudgetScope.API_KEY, key.id] = f"Key {key.name}"
    members = Membership.objects.filter(organization_id=organization_id, deactivated_at=None)
    for member in members.select_related("user"):
        subjects[BudgetScope.MEMBER, member.user_id] = f"Member {member.user.email}"
    return subjects


def reached_on(
    organization_id: UUID,
    *,
    scope: str,
    subject_id: UUID,
    period: str,
    limit: int,
    at: datetime,
) -> date | None:
    """The day on which ``limit`` µUSD would have been reached in the last 30 days, from the roll-ups."""
    rows = UsageRollup.objects.filter(
        organization_id=organization_id, day__gt=at.date() - timedelta(days=30)
    )
    if scope in COLUMNS:
        rows = rows.filter(**{COLUMNS[BudgetScope(scope)]: subject_id})
    total, month = 0, None
    for row in rows.values("day").annotate(charged=Sum("charged")).order_by("day"):
        day: date = row["day"]
        if period == BudgetPeriod.DAY or day.month != month:
            total, month = 0, day.month
        total += row["charged"]
        if total > limit:
            return day
    return None
