"""Enterprise contracts, licensor's notices and breaches: facts that change what is allowed."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from governance.kernel.ids import uuid7
from governance.models.epochs import (
    breach_changed,
    host_facts_changed,
    organization_facts_changed,
    switch_changed,
)
from governance.models.organizations import Organization
from governance.models.releases import ModelRelease

ENTERPRISE_FEATURES = ["sso", "sla", "dpa"]


class EnterpriseContract(models.Model):
    """An enterprise licence on record, for the organization and its whole control group."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="contracts"
    )
    reference = models.CharField(max_length=200)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    seats = models.PositiveIntegerField()
    features = ArrayField(models.CharField(max_length=8), default=list)
    terms = models.TextField(blank=True)
    document_sha256 = models.CharField(max_length=64)
    document_name = models.CharField(max_length=300, blank=True)
    document_path = models.CharField(max_length=300, blank=True)
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=200)

    class Meta:
        db_table = "governance_enterprise_contract"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="contract_runs_forward",
            ),
            models.CheckConstraint(
                condition=models.Q(document_sha256__regex=r"^[0-9a-f]{64}$"),
                name="contract_document_hashed",
            ),
            models.CheckConstraint(
                condition=models.Q(features__contained_by=ENTERPRISE_FEATURES),
                name="contract_features_known",
            ),
        ]
        triggers = [organization_facts_changed]


class TerminationNotice(models.Model):
    """The licensor's thirty days' notice (9.2): for the whole host, or for one release."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    release = models.ForeignKey(
        ModelRelease, null=True, on_delete=models.PROTECT, related_name="notices"
    )
    received_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    document_sha256 = models.CharField(max_length=64, blank=True)
    note = models.TextField(blank=True)
    recorded_by = models.CharField(max_length=200)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "governance_termination_notice"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("received_at")), name="notice_runs_forward"
            )
        ]
        triggers = [host_facts_changed]


class Breach(models.Model):
    """A breach on record (9.1: no cure period). Without an organization it is the host's own."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, null=True, on_delete=models.PROTECT, related_name="breaches"
    )
    clause = models.CharField(max_length=64)
    description = models.TextField()
    discovered_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    recorded_by = models.CharField(max_length=200)
    reinstated_at = models.DateTimeField(null=True)
    reinstatement_reference = models.CharField(max_length=300, blank=True)

    class Meta:
        db_table = "governance_breach"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reinstated_at__isnull=True)
                | ~models.Q(reinstatement_reference=""),
                name="breach_reinstated_in_writing",
            )
        ]
        triggers = [breach_changed]


class KillSwitch(models.Model):
    """One row: while ``engaged_at`` is set nothing is generated. Two people undo it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    engaged_at = models.DateTimeField(null=True)
    engaged_by = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    release_asked_by = models.CharField(max_length=200, blank=True)
    release_asked_at = models.DateTimeField(null=True)
    # Counts changes of facts that concern every organization: see ``governance.models.epochs``.
    epoch = models.BigIntegerField(default=0)

    class Meta:
        db_table = "governance_kill_switch"
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="kill_switch_is_one_row")
        ]
        triggers = [switch_changed]
