"""Pictures whose style a tenant's images take on, and boards of several."""

from uuid import UUID

from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7


class StyleReference(models.Model):
    """One picture that passed the gate, in its normal form. Private to its organization.

    ``sha256`` is of the stored file (upright sRGB PNG without metadata), ``uploaded_sha256`` of what
    was sent. Sizes in px.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    name = models.CharField(max_length=100, blank=True)
    sha256 = models.CharField(max_length=64)
    uploaded_sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveIntegerField()
    width = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    blob = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "inference_style_reference"
        indexes = [
            models.Index(fields=["organization", "-id"], name="reference_by_organization"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "uploaded_sha256"],
                condition=Q(deleted_at__isnull=True),
                name="reference_once_per_organization",
            ),
        ]


class Moodboard(models.Model):
    """Several references under one name. ``entries``: each with a reference's id and its weight."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    name = models.CharField(max_length=100)
    entries = models.JSONField(default=list)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "inference_moodboard"
        indexes = [
            models.Index(fields=["organization", "-id"], name="moodboard_by_organization"),
        ]
