"""How long an organization's images are kept."""

from uuid import UUID

from django.db import models
from django.db.models import Q


class ImageRetention(models.Model):
    """An organization's own limit in days; without a row its images stay until they are deleted."""

    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    days = models.PositiveSmallIntegerField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "inference_image_retention"
        constraints = [
            models.CheckConstraint(
                condition=Q(days__gte=1) & Q(days__lte=3650), name="image_retention_in_range"
            )
        ]
