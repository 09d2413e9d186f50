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
    """One set of weights. ``slug`` is the model's name in the API; sizes in px, a multiple of 16.

    ``kind``: base weights, an adapter (LoRA) on ``parent``, or a repack of it. Adapters and repacks
    are derivatives: ``modified`` is true and ``notice`` says so (section 3.2).
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    slug = models.SlugField(unique=True, max_length=64)
    name = models.CharField(max_length=100)
    variant = models.CharField(max_length=16, choices=[("turbo", "turbo"), ("raw", "raw")])
    kind = models.CharField(
        max_length=8,
        choices=[("base", "base"), ("adapter", "adapter"), ("repack", "repack")],
        default="base",
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="derivatives"
    )
    organization = models.ForeignKey(
        "governance.Organization", null=True, blank=True, on_delete=models.PROTECT,
        related_name="releases",
    )  # fmt: skip
    modified = models.BooleanField(default=False)
    notice = models.TextField(blank=True)
    source = models.CharField(max_length=300)
    revision = models.CharField(max_length=64, blank=True)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    licence = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=ReleaseStatus, default=ReleaseStatus.ACTIVE)
    steps = models.PositiveSmallIntegerField(default=8)
    guidance_milli = models.PositiveIntegerField(default=0)
    min_side = models.PositiveSmallIntegerField(default=256)
    max_side = models.PositiveSmallIntegerField(default=2048)
    default_side = models.PositiveSmallIntegerField(default=1024)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=500, blank=True)

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
            models.CheckConstraint(
                condition=models.Q(kind="base", parent__isnull=True)
                | (models.Q(kind__in=["adapter", "repack"], modified=True) & ~models.Q(notice="")),
                name="release_derivative_says_so",
            ),
            models.CheckConstraint(
                condition=(models.Q(status="revoked") & models.Q(revoked_at__isnull=False))
                | (~models.Q(status="revoked") & models.Q(revoked_at__isnull=True)),
                name="release_revocation_is_dated",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ReleaseFile(models.Model):
    """One file of a release, with its hash and size in bytes."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    release = models.ForeignKey(ModelRelease, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.PositiveBigIntegerField()

    class Meta:
        db_table = "governance_release_file"
        constraints = [
            models.UniqueConstraint(fields=["release", "path"], name="release_file_once")
        ]


class DeniedFile(models.Model):
    """A file that may not be used here: a known bypass adapter (section 4.1(c)), by its hash."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    reason = models.CharField(max_length=300)
    added_at = models.DateTimeField()
    added_by = models.CharField(max_length=200)

    class Meta:
        db_table = "governance_denied_file"


class Destruction(models.Model):
    """Signed statement that all copies and derivatives of a release are destroyed (section 9.4)."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    release = models.ForeignKey(ModelRelease, on_delete=models.PROTECT, related_name="destructions")
    copies = models.JSONField()
    derivatives = models.JSONField()
    statement = models.TextField()
    signed_by = models.CharField(max_length=200)
    signed_at = models.DateTimeField()

    class Meta:
        db_table = "governance_destruction"
