"""Model releases: which weights exist here, and which of them may be used."""

from uuid import UUID

from django.db import models

from governance.kernel.ids import uuid7


class ReleaseStatus(models.TextChoices):
    """Only an active release starts jobs; a revoked one must be unloaded and destroyed."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class ModelRelease(models.Model):
    """One set of weights. ``slug`` is the model's name in the API; sizes in px, a multiple of 16."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    slug = models.SlugField(unique=True, max_length=64)
    name = models.CharField(max_length=100)
    variant = models.CharField(max_length=16, choices=[("turbo", "turbo"), ("raw", "raw")])
    source = models.CharField(max_length=300)
    revision = models.CharField(max_length=64, blank=True)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    licence = models.CharField(max_length=200)
    status = models.CharField(
        max_length=16, choices=ReleaseStatus, default=ReleaseStatus.ACTIVE
    )
    steps = models.PositiveSmallIntegerField(default=8)
    guidance_milli = models.PositiveIntegerField(default=0)
    min_side = models.PositiveSmallIntegerField(default=256)
    max_side = models.PositiveSmallIntegerField(default=2048)
    default_side = models.PositiveSmallIntegerField(default=1024)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_model_release"
        constraints = [
            # Licence section 3.1(b): the name of a distributed model begins with "Krea".
            models.CheckConstraint(
                condition=models.Q(name__startswith="Krea"), name="release_name_begins_with_krea"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=ReleaseStatus.values), name="release_status_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name
