"""Tenant API keys: only a keyed digest of the secret is kept."""

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from governance.kernel.ids import uuid7
from governance.models.organizations import Organization, Project


class ApiKey(models.Model):
    """A developer's key. ``mode`` test runs the same gate with no money.

    ``digest`` is HMAC-SHA256 of the whole key under the pepper; ``lookup`` finds the row without it.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="api_keys"
    )
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    mode = models.CharField(max_length=4, choices=[("live", "live"), ("test", "test")])
    scopes = ArrayField(models.CharField(max_length=32), default=list)
    digest = models.CharField(max_length=64, unique=True)
    pepper_version = models.PositiveSmallIntegerField(default=1)
    last_four = models.CharField(max_length=4)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_ip = models.GenericIPAddressField(null=True)
    last_used_client = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "governance_api_key"
        indexes = [models.Index(fields=["organization", "-created_at"])]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mode__in=["live", "test"]), name="api_key_mode_known"
            )
        ]

    @property
    def prefix(self) -> str:
        """The part of the key that may be shown, e.g. ``lct_live_…a1B2``."""
        return f"lct_{self.mode}_…{self.last_four}"
