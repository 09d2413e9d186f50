"""The standing of each organization as last decided, and every change of it."""

from uuid import UUID

from django.db import models

from governance.kernel.ids import uuid7
from governance.models.organizations import Organization
from governance.models.terms import KEPT, TermsVersion

STATUSES = [
    "community", "enterprise", "approaching", "notice_running", "over_seats", "attestation_due",
    "commercial_suspended", "terminated",
]  # fmt: skip


class OrganizationStanding(models.Model):
    """What ``decide_standing`` last said: valid until ``changes_at`` while both epochs are present.

    A missing or stale row means: decide again. See ``governance.models.epochs``.
    """

    organization = models.OneToOneField(
        Organization, primary_key=True, on_delete=models.CASCADE, related_name="standing"
    )
    status = models.CharField(max_length=24, choices=[(s, s) for s in STATUSES])
    may_generate = models.BooleanField()
    reasons = models.JSONField(default=list)
    grace_until = models.DateTimeField(null=True)
    changes_at = models.DateTimeField(null=True)
    terms_version = models.ForeignKey(TermsVersion, on_delete=models.PROTECT, related_name="+")
    seats_used = models.PositiveIntegerField()
    seats_limit = models.PositiveIntegerField()
    decided_at = models.DateTimeField()
    facts_epoch = models.BigIntegerField(default=-1)
    host_epoch = models.BigIntegerField(default=-1)

    class Meta:
        db_table = "governance_organization_standing"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=STATUSES), name="standing_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(may_generate=False)
                | ~models.Q(status__in=["commercial_suspended", "terminated"]),
                name="standing_suspended_does_not_generate",
            ),
        ]


class StandingChange(models.Model):
    """A change of standing with the reasons at that moment; never rewritten."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="standing_changes"
    )
    at = models.DateTimeField()
    before = models.CharField(max_length=24, blank=True)
    after = models.CharField(max_length=24)
    may_generate = models.BooleanField()
    reasons = models.JSONField()
    terms_version = models.ForeignKey(TermsVersion, on_delete=models.PROTECT, related_name="+")
    seats_used = models.PositiveIntegerField()

    class Meta:
        db_table = "governance_standing_change"
        indexes = [models.Index(fields=["organization", "-at"], name="standing_history")]
        triggers = KEPT
