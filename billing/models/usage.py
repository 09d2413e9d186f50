"""Usage by day: what the dashboard reads, made from holds and journal, so that it can be made again."""

from uuid import UUID

from django.db import models


class UsageRollup(models.Model):
    """Jobs, images and µUSD of one organization on one UTC day, by everything people group by.

    A charge counts on the day that the journal booked it, so a month here is the month's statement.
    """

    id = models.BigAutoField(primary_key=True)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    day = models.DateField()
    project_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    api_key_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    member_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    model = models.CharField(max_length=64)
    size = models.CharField(max_length=16)
    outcome = models.CharField(max_length=16)
    jobs = models.BigIntegerField()
    images = models.BigIntegerField()
    charged = models.BigIntegerField()

    class Meta:
        db_table = "billing_usage_rollup"
        indexes = [models.Index(fields=["organization_id", "day"], name="rollup_by_day")]


class RollupDay(models.Model):
    """When a day was last rolled up; the dashboard says so."""

    day = models.DateField(primary_key=True)
    made_at = models.DateTimeField()

    class Meta:
        db_table = "billing_rollup_day"
