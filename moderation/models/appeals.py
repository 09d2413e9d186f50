"""Appeals of those whose prompt or image was refused, and reports of delivered images."""

from uuid import UUID

from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7
from moderation.models.cases import ReviewCase
from moderation.models.decisions import Decision


class Appeal(models.Model):
    """One appeal against one decision, decided by somebody who has not judged it before."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="appeal")
    case = models.OneToOneField(ReviewCase, on_delete=models.PROTECT, related_name="appeal")
    appellant_kind = models.CharField(max_length=16)
    appellant_id = models.CharField(max_length=64)
    statement = models.TextField()
    opened_at = models.DateTimeField()
    state = models.CharField(
        max_length=12,
        choices=[("open", "open"), ("upheld", "upheld"), ("overturned", "overturned")],
        default="open",
    )
    decided_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True)

    class Meta:
        db_table = "moderation_appeal"
        constraints = [
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True)
                | Q(state__in=("upheld", "overturned"), decided_at__isnull=False),
                name="appeal_decided_when_final",
            )
        ]


class Concern(models.TextChoices):
    """What a reporter without an account has to do with the image."""

    SHOWN = "shown", "I am shown in it"
    SPEAKS_FOR = "speaks_for", "I speak for somebody who is shown in it"
    HARMED = "harmed", "It harms me or others in another way"


class UserReport(models.Model):
    """Somebody says that a delivered image breaks the policy. ``sha256`` is of the delivered file."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    job_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    index = models.PositiveSmallIntegerField()
    sha256 = models.CharField(max_length=64)
    item = models.CharField(max_length=16)
    statement = models.TextField()
    contact = models.CharField(max_length=320, blank=True)
    reporter_kind = models.CharField(max_length=16)
    reporter_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()
    case = models.ForeignKey(ReviewCase, on_delete=models.PROTECT, related_name="reports")

    class Meta:
        db_table = "moderation_user_report"
        indexes = [models.Index(fields=["organization_id", "-at"], name="report_by_organization")]


class PublicReport(models.Model):
    """What belongs to a report from somebody without an account, apart from what tenants may read.

    ``number_sha256`` is the hash of the confirmation number, which only the reporter has. ``contact`` is
    emptied when it is no longer needed.
    """

    report = models.OneToOneField(
        UserReport, primary_key=True, on_delete=models.PROTECT, related_name="public"
    )
    number_sha256 = models.CharField(max_length=64, unique=True)
    concern = models.CharField(max_length=12, choices=Concern)
    contact = models.EmailField(max_length=320, blank=True)

    class Meta:
        db_table = "moderation_public_report"
        constraints = [
            models.CheckConstraint(
                condition=Q(concern__in=Concern.values), name="public_report_concern_known"
            )
        ]


class Removal(models.Model):
    """A duty to take a delivered image away: intimate images within 48 hours of the request."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    job_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    index = models.PositiveSmallIntegerField()
    sha256 = models.CharField(max_length=64)
    item = models.CharField(max_length=16)
    reason = models.TextField()
    report = models.ForeignKey(
        UserReport, null=True, on_delete=models.PROTECT, related_name="removals"
    )
    requested_at = models.DateTimeField()
    due_at = models.DateTimeField()
    state = models.CharField(
        max_length=8,
        choices=[("open", "open"), ("removed", "removed"), ("rejected", "rejected")],
        default="open",
    )
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "moderation_removal"
        constraints = [
            models.UniqueConstraint(
                fields=["job_id", "index"],
                condition=Q(state="open"),
                name="removal_open_once_per_image",
            ),
            models.CheckConstraint(
                condition=Q(due_at__gt=F("requested_at")), name="removal_due_after_request"
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True)
                | (Q(state__in=("removed", "rejected"), closed_at__isnull=False)),
                name="removal_closed_when_final",
            ),
        ]
