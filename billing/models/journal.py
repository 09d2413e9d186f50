"""The journal: transactions with legs that sum to zero, never changed."""

from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce, Now

from governance.kernel.ids import uuid7

APPEND_ONLY = pgtrigger.Update | pgtrigger.Delete


class LedgerTransaction(models.Model):
    """One money event. (kind, external reference) is the gate through which it passes once."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    kind = models.CharField(max_length=24)
    external_reference = models.CharField(max_length=128)
    # Without an index of its own: ledger_by_organization begins with it.
    organization = models.ForeignKey(
        "governance.Organization",
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    event_at = models.DateTimeField()
    # The database's own clock, unless the transaction names a time (billing.operations.past).
    booked_at = models.DateTimeField(
        db_default=Coalesce(
            models.Func(function="billing_named_time", output_field=models.DateTimeField()), Now()
        )
    )
    facts = models.JSONField(default=dict)

    class Meta:
        db_table = "billing_ledger_transaction"
        indexes = [
            models.Index(fields=["organization", "-booked_at"], name="ledger_by_organization")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "external_reference"], name="ledger_transaction_once"
            )
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]


class LedgerEntry(models.Model):
    """One leg in µUSD: positive credits the account, negative debits it."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    # Without an index of its own: ledger_leg_once begins with it.
    transaction = models.ForeignKey(
        LedgerTransaction, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    leg = models.PositiveSmallIntegerField()
    account = models.CharField(max_length=32)
    organization = models.ForeignKey(
        "governance.Organization", null=True, on_delete=models.PROTECT, related_name="+"
    )
    amount = models.BigIntegerField()

    class Meta:
        db_table = "billing_ledger_entry"
        constraints = [
            models.UniqueConstraint(fields=["transaction", "leg"], name="ledger_leg_once"),
            models.CheckConstraint(condition=~Q(amount=0), name="ledger_entry_moves_money"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=APPEND_ONLY)]
