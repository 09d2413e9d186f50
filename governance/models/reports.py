"""Compliance reports that were asked for, their schedule, and links for auditors."""

from uuid import UUID

from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7
from governance.models.organizations import Organization


class ReportState(models.TextChoices):
    """A report is made by a worker; a failed one may be asked for again."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ComplianceReport(models.Model):
    """One bundle: of an organization, or (None) of the whole deployment. ``sha256`` is of the zip."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, null=True, on_delete=models.PROTECT, related_name="compliance_reports"
    )
    period = models.CharField(max_length=8)
    closed = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=ReportState, default=ReportState.QUEUED)
    progress = models.PositiveSmallIntegerField(default=0)
    step = models.CharField(max_length=100, blank=True)
    error = models.TextField(blank=True)
    result = models.CharField(max_length=12, blank=True)
    sentence = models.TextField(blank=True)
    blob = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_compliance_report"
        indexes = [models.Index(fields=["organization", "-requested_at"], name="report_newest")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ReportState.values), name="compliance_report_state"
            ),
            models.CheckConstraint(
                condition=~Q(state="done") | ~Q(sha256=""), name="compliance_report_done_has_bytes"
            ),
        ]


class ReportSchedule(models.Model):
    """Whether each closed month's report is made by itself, for an organization or (None) for all."""

    organization = models.OneToOneField(
        Organization, null=True, on_delete=models.CASCADE, related_name="report_schedule"
    )
    since = models.DateTimeField()

    class Meta:
        db_table = "governance_report_schedule"
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], nulls_distinct=False, name="report_schedule_once"
            )
        ]


class AuditorLink(models.Model):
    """An address that shows one organization's reports and log until it ends; only a digest is kept."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="auditor_links"
    )
    digest = models.CharField(max_length=64, unique=True)
    label = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_auditor_link"
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("created_at")), name="auditor_link_ends"
            )
        ]
