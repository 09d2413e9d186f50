"""Strikes: what somebody's refused attempts add up to, until they expire."""

from uuid import UUID

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7


class Strike(models.Model):
    """One counted violation of a person or key, and of their organization. ``weight`` in points.

    Never deleted; an overturned decision pardons it.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    decision_id: models.UUIDField[UUID, UUID] = models.UUIDField(unique=True)
    item = models.CharField(max_length=16)
    weight = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    expires_at = models.DateTimeField()
    pardoned_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "moderation_strike"
        indexes = [
            models.Index(fields=["actor_kind", "actor_id"], name="strike_by_actor"),
            models.Index(fields=["organization_id"], name="strike_by_organization"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("at")), name="strike_expires"),
            models.CheckConstraint(condition=Q(weight__gte=1), name="strike_weighs"),
        ]
        triggers = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]


class AbuseNote(models.Model):
    """An actor looked like one who tries the filter out: counts of the hour before."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    prompts = models.PositiveIntegerField()
    refused = models.PositiveIntegerField()
    evasions = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "moderation_abuse_note"
        indexes = [models.Index(fields=["actor_kind", "actor_id", "-at"], name="abuse_by_actor")]


class Overturn(models.Model):
    """A person's decision that a refused text or picture is within the policy after all.

    It holds for the same bytes in the same organization, until it ends.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    subject_sha256 = models.CharField(max_length=64)
    subject_kind = models.CharField(max_length=16)
    decision_id: models.UUIDField[UUID, UUID] = models.UUIDField(unique=True)
    case_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "moderation_overturn"
        indexes = [
            models.Index(fields=["organization_id", "subject_sha256"], name="overturn_by_subject")
        ]
