"""Monthly statements: closed once, chained by hash, never changed."""

from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7


class Statement(models.Model):
    """One organization's month (UTC), µUSD. ``sha256`` covers the body and the statement before."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    number = models.PositiveIntegerField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    opening = models.BigIntegerField()
    closing = models.BigIntegerField()
    body = models.JSONField()
    previous_sha256 = models.CharField(max_length=64, blank=True)
    sha256 = models.CharField(max_length=64)
    closed_at = models.DateTimeField()

    class Meta:
        db_table = "billing_statement"
        constraints = [
            models.UniqueConstraint(fields=["organization", "number"], name="statement_number"),
            models.UniqueConstraint(fields=["organization", "ends_at"], name="statement_once"),
            models.CheckConstraint(condition=~Q(sha256=""), name="statement_has_a_hash"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]
