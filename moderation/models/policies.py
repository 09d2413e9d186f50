"""Policies as rows: drafted, measured, replayed, activated by two people; and what came of it."""

from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7
from moderation.models.decisions import append_only


class Policy(models.Model):
    """One bundle, addressed by the SHA-256 of its canonical JSON: append-only."""

    hash = models.CharField(primary_key=True, max_length=64)
    version = models.CharField(max_length=64, unique=True)
    document = models.JSONField()
    based_on = models.CharField(max_length=64, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    note = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "moderation_policy"
        triggers = append_only()


class PolicyMeasure(models.Model):
    """An evaluation or a replay of a policy: the set, the figures, when: append-only."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="measures")
    kind = models.CharField(
        max_length=12, choices=[("evaluation", "evaluation"), ("replay", "replay")]
    )
    subject = models.CharField(max_length=200)
    figures = models.JSONField()
    actor_id = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        db_table = "moderation_policy_measure"
        triggers = append_only()


class PolicyActivation(models.Model):
    """A policy put in force by two people. The latest live row is the policy in force.

    ``mode`` shadow judges beside the live policy and changes nothing; canary judges
    ``share_milli`` thousandths of the jobs; live judges all. Append-only.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="activations")
    mode = models.CharField(
        max_length=8,
        choices=[("shadow", "shadow"), ("canary", "canary"), ("live", "live"), ("end", "end")],
    )
    share_milli = models.PositiveSmallIntegerField(default=1000)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.TextField()
    at = models.DateTimeField()

    class Meta:
        db_table = "moderation_policy_activation"
        indexes = [models.Index(fields=["mode", "-at"], name="activation_latest")]
        constraints = [
            models.CheckConstraint(
                condition=~Q(proposed_by=F("approved_by")), name="activation_by_two_people"
            ),
            models.CheckConstraint(
                condition=Q(share_milli__gte=1, share_milli__lte=1000),
                name="activation_share_known",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="activation_has_a_reason"),
        ]
        triggers = append_only()


class ActivationProposal(models.Model):
    """One person's wish to put a policy in force; another person answers it."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="proposals")
    mode = models.CharField(max_length=8)
    share_milli = models.PositiveSmallIntegerField(default=1000)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.TextField()
    at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    accepted = models.BooleanField(null=True)

    class Meta:
        db_table = "moderation_activation_proposal"


class ShadowDecision(models.Model):
    """What a shadow policy would have decided beside the live one: append-only."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    decision_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    policy_hash = models.CharField(max_length=64)
    live_outcome = models.CharField(max_length=16)
    shadow_outcome = models.CharField(max_length=16)
    item = models.CharField(max_length=16, blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "moderation_shadow_decision"
        triggers = append_only()
