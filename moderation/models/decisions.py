"""What the gate decided, and each verdict behind it: append-only."""

from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from governance.kernel.ids import uuid7
from moderation.kernel.outcomes import Outcome

OUTCOMES = [str(outcome) for outcome in Outcome]
STATUSES = ["done", "failed", "skipped"]


def append_only() -> list[pgtrigger.Trigger]:
    """Rows that are written once: the database refuses to change or delete them."""
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
    ]


class Decision(models.Model):
    """The gate's outcome on one subject: a prompt, or one image of one attempt of a job.

    ``subject_sha256`` is of the text or the pixels; the text itself is not here. Has no foreign
    keys, so that it outlives what it tells of. ``at`` is the caller's clock, ``recorded_at`` the
    database's.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    job_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    stage = models.CharField(max_length=16)
    subject_kind = models.CharField(max_length=16)
    subject_sha256 = models.CharField(max_length=64)
    attempt = models.PositiveSmallIntegerField(default=0)
    index = models.PositiveSmallIntegerField(default=0)
    policy_version = models.CharField(max_length=64)
    policy_hash = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16)
    item = models.CharField(max_length=16, blank=True)
    reason = models.TextField(blank=True)
    # A 64-bit similarity hash of a prompt: near-duplicates of refused prompts show, the text does not.
    simhash = models.BigIntegerField(null=True)
    complete = models.BooleanField()
    automated = models.BooleanField(default=True)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "moderation_decision"
        indexes = [
            models.Index(fields=["job_id"], name="decision_by_job"),
            models.Index(fields=["organization_id", "-at"], name="decision_by_organization"),
            models.Index(
                fields=["actor_kind", "actor_id", "-at"],
                name="decision_refused_by_actor",
                condition=~Q(outcome__in=("allow", "label")),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=OUTCOMES), name="decision_outcome"),
            # Where a classifier gave no answer, nothing was allowed.
            models.CheckConstraint(
                condition=Q(complete=True) | ~Q(outcome__in=("allow", "label")),
                name="decision_allows_only_when_complete",
            ),
            models.CheckConstraint(
                condition=Q(policy_hash__regex="^[0-9a-f]{64}$"), name="decision_names_its_policy"
            ),
        ]
        triggers = append_only()


class VerdictRow(models.Model):
    """One required classifier's answer behind a decision. Scores 0 to 1, latency in ms."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="verdicts")
    detector = models.CharField(max_length=64)
    detector_version = models.CharField(max_length=64)
    weights_sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=8)
    outcome = models.CharField(max_length=16)
    item = models.CharField(max_length=16, blank=True)
    reason = models.TextField(blank=True)
    scores = models.JSONField(default=dict)
    thresholds = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)
    latency_ms = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        db_table = "moderation_verdict"
        constraints = [
            models.UniqueConstraint(
                fields=["decision", "detector"], name="verdict_once_per_detector"
            ),
            models.CheckConstraint(condition=Q(outcome__in=OUTCOMES), name="verdict_outcome"),
            models.CheckConstraint(condition=Q(status__in=STATUSES), name="verdict_status"),
            models.CheckConstraint(
                condition=Q(status="done") | ~Q(outcome__in=("allow", "label")),
                name="verdict_allows_only_when_done",
            ),
        ]
        triggers = append_only()
