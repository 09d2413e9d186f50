"""Spend alerts: a mail when an organization's month passes an amount."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7


class SpendAlert(models.Model):
    """Tells ``recipients`` once a month (UTC) when ``threshold_microusd`` is passed; stops nothing."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.CASCADE, related_name="+"
    )
    threshold_microusd = models.BigIntegerField()
    recipients = ArrayField(models.EmailField(), default=list)
    subject_prefix = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField()
    # The first of the month that was told of last.
    told_month = models.DateField(null=True)

    class Meta:
        db_table = "billing_spend_alert"
        constraints = [
            models.CheckConstraint(
                condition=Q(threshold_microusd__gt=0), name="spend_alert_positive"
            )
        ]
