"""Credit lots: which part of the balance was paid, which was given, and until when it is good."""

from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7


class LotSource(models.TextChoices):
    """Promotional credit is spent first and never goes back to a card."""

    PAID = "paid"
    PROMOTIONAL = "promotional"


class CreditLot(models.Model):
    """One credit, µUSD. ``remaining`` is as of the last settling; the hot path never writes here."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    transaction = models.OneToOneField(
        "billing.LedgerTransaction", on_delete=models.PROTECT, related_name="+"
    )
    source = models.CharField(max_length=16, choices=LotSource)
    # The payment, refund or dispute that it came from, or the granter's own reference.
    external_reference = models.CharField(max_length=128)
    granted = models.BigIntegerField()
    remaining = models.BigIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_credit_lot"
        indexes = [
            models.Index(
                fields=["organization"], name="lot_with_credit", condition=Q(remaining__gt=0)
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(granted__gt=0, remaining__gte=0) & Q(remaining__lte=F("granted")),
                name="lot_holds_what_was_granted",
            ),
            models.CheckConstraint(
                condition=Q(source__in=LotSource.values), name="lot_source_known"
            ),
        ]


class LotMovement(models.Model):
    """Credit that left a lot, µUSD: spent, expired, refunded or disputed."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    lot = models.ForeignKey(CreditLot, on_delete=models.PROTECT, related_name="movements")
    kind = models.CharField(
        max_length=16,
        choices=[(k, k) for k in ("spent", "expired", "refunded", "disputed")],
    )
    amount = models.BigIntegerField()
    reference = models.CharField(max_length=128, blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "billing_lot_movement"
        indexes = [models.Index(fields=["lot"], name="movement_by_lot")]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="lot_movement_is_positive")
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]
