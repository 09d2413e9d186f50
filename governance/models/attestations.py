"""Signed statements of company-wide revenue (section 2.3)."""

from uuid import UUID

from django.conf import settings
from django.db import models

from governance.kernel.ids import uuid7
from governance.models.epochs import organization_facts_changed
from governance.models.organizations import Organization
from governance.models.terms import KEPT

BRACKETS = ["under_250k", "under_500k", "under_800k", "under_1m", "at_or_over_1m", "unsure"]


class Attestation(models.Model):
    """Revenue of the trailing twelve months, all sources, affiliates included; kept for ever.

    ``amount_microusd`` (µUSD) where the figure is given, else the bracket counts. A correction is
    a new row; the newest of an organization counts.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="attestations"
    )
    period_start = models.DateField()
    period_end = models.DateField()
    bracket = models.CharField(max_length=16, choices=[(b, b) for b in BRACKETS])
    amount_microusd = models.BigIntegerField(null=True)
    affiliates = models.JSONField(default=list)
    signer_name = models.CharField(max_length=200)
    signer_title = models.CharField(max_length=200)
    signed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    signed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    evidence_name = models.CharField(max_length=300, blank=True)
    evidence_path = models.CharField(max_length=300, blank=True)
    evidence_sha256 = models.CharField(max_length=64, blank=True)
    terms_version = models.ForeignKey(
        "governance.TermsVersion", on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        db_table = "governance_attestation"
        indexes = [models.Index(fields=["organization", "-signed_at"], name="attestation_newest")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(bracket__in=BRACKETS), name="attestation_bracket_known"
            ),
            models.CheckConstraint(
                condition=models.Q(amount_microusd__isnull=True) | models.Q(amount_microusd__gte=0),
                name="attestation_amount_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("signed_at")),
                name="attestation_expires_after_signature",
            ),
            models.CheckConstraint(
                condition=models.Q(period_end__gt=models.F("period_start")),
                name="attestation_period_runs_forward",
            ),
        ]
        triggers = [*KEPT, organization_facts_changed]


class AttestationReminder(models.Model):
    """That a reminder went out, once per attestation and number of days before expiry."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    attestation = models.ForeignKey(Attestation, on_delete=models.CASCADE, related_name="reminders")
    days_before = models.PositiveSmallIntegerField()
    sent_at = models.DateTimeField()

    class Meta:
        db_table = "governance_attestation_reminder"
        constraints = [
            models.UniqueConstraint(
                fields=["attestation", "days_before"], name="attestation_reminder_once"
            )
        ]
