"""The registry of released images by their marks, and the waivers of marking them."""

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7
from moderation.models.decisions import append_only


class ProvenanceWaiver(models.Model):
    """Two people's decision that images leave without watermark and credentials, for a time.

    For one organization, or for the whole deployment where ``organization_id`` is empty. Nothing is
    waived before another person has approved it, nor after ``ends_at``.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    reason = models.TextField()
    ends_at = models.DateTimeField()
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    proposed_at = models.DateTimeField()
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    answered_at = models.DateTimeField(null=True)
    approved = models.BooleanField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "moderation_provenance_waiver"
        constraints = [
            models.CheckConstraint(
                condition=~Q(approved=True)
                | Q(answered_by__isnull=False) & ~Q(answered_by=F("proposed_by")),
                name="waiver_by_two_people",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="waiver_has_a_reason"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("proposed_at")), name="waiver_ends_after_it_began"
            ),
        ]


class ReleasedMark(models.Model):
    """One delivered image: the mark in its pixels, its credentials, its hashes. Append-only.

    ``mark`` is the random number of 48 bits that the watermark carries; it says nothing by itself.
    ``pdq_words`` are the perceptual hash's sixteen parts of 16 bits, each with its place, so that an
    index finds pictures that look alike. Quantities: dB and fit in thousandths.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    mark = models.BigIntegerField(null=True, unique=True)
    credentials = models.CharField(max_length=80, blank=True)
    waiver = models.ForeignKey(
        ProvenanceWaiver, null=True, on_delete=models.PROTECT, related_name="images"
    )
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    job_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    index = models.PositiveSmallIntegerField()
    attempt = models.PositiveSmallIntegerField()
    decision_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    sha256 = models.CharField(max_length=64, db_index=True)
    pdq = models.CharField(max_length=64)
    pdq_quality = models.PositiveSmallIntegerField()
    pdq_words = ArrayField(models.IntegerField())
    fit_milli = models.PositiveSmallIntegerField(default=0)
    psnr_millidb = models.PositiveIntegerField(default=0)
    robust = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        db_table = "moderation_released_mark"
        indexes = [
            GinIndex(fields=["pdq_words"], name="released_mark_by_look"),
            models.Index(fields=["organization_id", "at"], name="released_mark_by_time"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["job_id", "index"], name="released_mark_once"),
            models.CheckConstraint(
                condition=Q(mark__isnull=False, mark__gte=0) & ~Q(credentials="")
                | Q(waiver__isnull=False),
                name="released_marked_or_waived",
            ),
        ]
        triggers = append_only()
