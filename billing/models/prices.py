"""The price book: dated versions, immutable once published."""

from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7


class PriceVersion(models.Model):
    """One price list, in force from ``effective_from`` until the next one; ``sha256`` is of ``body``."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    label = models.CharField(max_length=100)
    effective_from = models.DateTimeField(unique=True)
    published_at = models.DateTimeField(null=True)
    body = models.JSONField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        db_table = "billing_price_version"
        triggers = [
            pgtrigger.Protect(
                name="published_is_immutable",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__published_at__isnull=False),
            )
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(sha256=""), name="price_version_has_a_hash")
        ]
