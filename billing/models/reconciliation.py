"""What was compared with what, and every difference until somebody has explained it."""

from uuid import UUID

from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7


class ReconciliationRun(models.Model):
    """One comparison of the journal with everything around it."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    checked = models.BigIntegerField()
    differences = models.BigIntegerField()
    facts = models.JSONField(default=dict)

    class Meta:
        db_table = "billing_reconciliation_run"


class Difference(models.Model):
    """Something that does not agree; its age counts from ``first_seen_at``. Nothing corrects itself.

    ``gone_at`` is set when a later run finds it no more.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    kind = models.CharField(max_length=120)
    subject = models.CharField(max_length=200)
    detail = models.TextField()
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_difference"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=Q(gone_at__isnull=True),
                name="difference_once_while_open",
            )
        ]


class AdjustmentState(models.TextChoices):
    """Waiting for a second person, or what that person said."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"


class Adjustment(models.Model):
    """A correction that one person asks for and another one approves; only then it is booked, µUSD."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=500)
    asked_by = models.CharField(max_length=64)
    asked_by_label = models.CharField(max_length=254)
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=AdjustmentState, default=AdjustmentState.WAITING)
    decided_by = models.CharField(max_length=64, blank=True)
    decided_by_label = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_adjustment"
        constraints = [
            models.CheckConstraint(
                condition=~Q(amount=0) & ~Q(reason=""), name="adjustment_has_amount_and_reason"
            ),
            models.CheckConstraint(
                condition=Q(state=AdjustmentState.WAITING, decided_by="", decided_at__isnull=True)
                | Q(state=AdjustmentState.DECLINED, decided_at__isnull=False)
                | Q(state=AdjustmentState.APPROVED, decided_at__isnull=False)
                & ~Q(decided_by="")
                & ~Q(decided_by=F("asked_by")),
                name="adjustment_approved_by_another",
            ),
        ]


class ProviderLine(models.Model):
    """One line of the payment provider's own ledger, µUSD as they sign it."""

    id = models.CharField(primary_key=True, max_length=64)
    kind = models.CharField(max_length=64)
    source = models.CharField(max_length=64)
    amount = models.BigIntegerField()
    fee = models.BigIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "billing_provider_line"
        indexes = [models.Index(fields=["source"], name="provider_line_by_source")]
