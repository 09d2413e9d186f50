"""What was compared with what, and every difference until somebody has explained it."""

from uuid import UUID

from django.db import models
from django.db.models import Q

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
