"""The wallet: the only row that the hot path updates, one per organization."""

from django.db import models
from django.db.models import Q


class Wallet(models.Model):
    """Posted and held µUSD of an organization. Available is posted minus held.

    ``posted`` may fall below zero after a dispute; ``held`` never.
    """

    organization = models.OneToOneField(
        "governance.Organization", primary_key=True, on_delete=models.PROTECT, related_name="+"
    )
    posted = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=0)

    class Meta:
        db_table = "billing_wallet"
        constraints = [
            models.CheckConstraint(condition=Q(held__gte=0), name="wallet_held_not_negative")
        ]
