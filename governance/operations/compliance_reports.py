"""Asking for a compliance report, and noting how its making goes."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from governance.kernel.actors import SYSTEM, Actor
from governance.models import ComplianceReport, ReportSchedule, ReportState
from governance.operations import audit

# When a month is over for reports: no transaction that began in it still runs.
SETTLED = timedelta(minutes=15)


@transaction.atomic
def request_report(
    *, organization_id: UUID | None, period: str, actor: Actor, at: datetime
) -> ComplianceReport:
    """A queued report of one organization, or (None) of all. Asking again makes another row."""
    report = ComplianceReport.objects.create(
        organization_id=organization_id, period=period, requested_at=at
    )
    _record("report.requested", report, actor, {"period": period})
    return report


@transaction.atomic
def request_scheduled_reports(*, at: datetime) -> int:
    """Ask for last month's report wherever a schedule wants it and none was made; returns how many.

    Begins a quarter of an hour into the month, when the last one is closed. Safe to repeat.
    """
    if at - SETTLED < at.replace(day=1, hour=0, minute=0, second=0, microsecond=0):
        return 0
    label = f"{at.replace(day=1) - timedelta(days=1):%Y-%m}"
    made = 0
    for schedule in ReportSchedule.objects.select_for_update():
        made_for = ComplianceReport.objects.filter(organization=schedule.organization_id)
        if not made_for.filter(period=label, requested_at__gte=at.replace(day=1, hour=0)).exists():
            request_report(
                organization_id=schedule.organization_id, period=label, actor=SYSTEM, at=at
            )
            made += 1
    return made


def waiting_reports(*, at: datetime) -> list[UUID]:
    """Reports that nobody makes: their message was lost, or their worker was."""
    lost = Q(state=ReportState.QUEUED, requested_at__lt=at - timedelta(minutes=1))
    dead = Q(state=ReportState.RUNNING, requested_at__lt=at - timedelta(hours=1))
    waiting = ComplianceReport.objects.filter(lost | dead).order_by("requested_at")
    return list(waiting.values_list("id", flat=True))


@transaction.atomic
def note_download(*, report: ComplianceReport, actor: Actor) -> None:
    """Who took a copy away is on record."""
    _record("report.downloaded", report, actor, {"period": report.period, "sha256": report.sha256})


def note_progress(*, report_id: UUID, percent: int, step: str) -> None:
    """How far the making is, 0 to 100, for the page that waits."""
    ComplianceReport.objects.filter(id=report_id).update(
        state=ReportState.RUNNING, progress=percent, step=step
    )


def note_failure(*, report_id: UUID, error: str, at: datetime) -> None:
    """The making ended without a bundle; ``error`` says why."""
    ComplianceReport.objects.filter(id=report_id).update(
        state=ReportState.FAILED, error=error, finished_at=at
    )


@transaction.atomic
def set_schedule(
    *, organization_id: UUID | None, monthly: bool, actor: Actor, at: datetime
) -> bool:
    """Whether each closed month's report is made by itself. Set again, nothing changes. Returns it."""
    schedules = ReportSchedule.objects.filter(organization=organization_id)
    if schedules.exists() == monthly:
        return monthly
    if monthly:
        ReportSchedule.objects.create(organization_id=organization_id, since=at)
    else:
        schedules.delete()
    audit.record(
        act="report.scheduled" if monthly else "report.unscheduled",
        actor=actor,
        organization_id=organization_id,
        subject_kind="report_schedule",
        subject_id=organization_id or "all",
    )
    return monthly


def _record(act: str, report: ComplianceReport, actor: Actor, facts: dict[str, object]) -> None:
    audit.record(
        act=act,
        actor=actor,
        organization_id=report.organization_id,
        subject_kind="compliance_report",
        subject_id=report.id,
        facts=facts,
    )
