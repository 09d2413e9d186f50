"""Engines as they report themselves, and each tenant's share of them."""

from uuid import UUID

from django.db import models


class EngineStatus(models.Model):
    """The last word of one engine: what it holds, what it does, when it was seen."""

    worker = models.CharField(primary_key=True, max_length=128)
    release_slug = models.CharField(max_length=64, blank=True)
    device = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=16)
    detail = models.CharField(max_length=300, blank=True)
    current_job: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    step = models.PositiveSmallIntegerField(default=0)
    jobs_done = models.PositiveIntegerField(default=0)
    gflop_per_second = models.PositiveIntegerField(default=0)
    self_tested_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "inference_engine_status"


class TenantShare(models.Model):
    """Virtual time of one tenant in start-time fair queueing: the GFLOP served to it, so far.

    The tenant with the least virtual time is served next; one that was idle starts at the least
    virtual time of those that are waiting, so that idling saves up nothing.
    """

    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    virtual_gflop = models.BigIntegerField(default=0)

    class Meta:
        db_table = "inference_tenant_share"
