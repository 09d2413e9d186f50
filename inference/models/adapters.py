"""Adapters (LoRA) of tenants, beside their place in the release registry."""

from uuid import UUID

from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7


class Adapter(models.Model):
    """One adapter in its normal form. Private to its organization, or shared in its control group.

    ``release`` is its entry in the registry: lineage, notice and revocation live there. ``sha256`` is
    of the normalised file, ``uploaded_sha256`` of what was sent. ``norm`` is the largest change of a
    module (Frobenius).
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    release = models.OneToOneField(
        "governance.ModelRelease", on_delete=models.PROTECT, related_name="+"
    )
    name = models.CharField(max_length=100)
    trigger = models.CharField(max_length=100, blank=True)
    shared_with_group = models.BooleanField(default=False)
    source = models.CharField(
        max_length=16, choices=[("upload", "upload"), ("training", "training")]
    )
    rank = models.PositiveSmallIntegerField()
    modules = models.PositiveIntegerField()
    norm = models.FloatField()
    changes_nothing = models.BooleanField(default=False)
    sha256 = models.CharField(max_length=64)
    uploaded_sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveIntegerField()
    blob = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "inference_adapter"
        indexes = [
            models.Index(fields=["organization", "-id"], name="adapter_by_organization"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "sha256"],
                condition=Q(deleted_at__isnull=True),
                name="adapter_once_per_organization",
            ),
            models.CheckConstraint(
                condition=Q(rank__gte=1) & Q(norm__gte=0), name="adapter_has_a_rank"
            ),
        ]
