"""Tenant API keys: only a keyed digest of the secret is kept."""

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from governance.kernel.ids import uuid7
from governance.models.organizations import Organization, Project


class ApiKey(models.Model):
    """A developer's key. ``mode`` test runs the same gate with no money.

    ``digest`` is HMAC-SHA256 of the whole present secret under the pepper that ``pepper_mark`` names. A
    rotation changes the secret and nothing else: budgets, usage and audit follow the id.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="api_keys"
    )
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    mode = models.CharField(max_length=4, choices=[("live", "live"), ("test", "test")])
    scopes = ArrayField(models.CharField(max_length=32), default=list)
    # Networks in CIDR notation that may use the key; empty: everybody who has it.
    allowed_networks = ArrayField(models.CharField(max_length=49), default=list, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    pepper_mark = models.CharField(max_length=8, blank=True)
    last_four = models.CharField(max_length=4)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="api_keys_made"
    )
    created_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=16, blank=True)
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


class RetiringSecret(models.Model):
    """A secret that a rotation replaced: works until ``retires_at``, kept so that its leak is known."""

    id = models.BigAutoField(primary_key=True)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="retiring_secrets")
    digest = models.CharField(max_length=64, unique=True)
    pepper_mark = models.CharField(max_length=8, blank=True)
    last_four = models.CharField(max_length=4)
    retires_at = models.DateTimeField()

    class Meta:
        db_table = "governance_retiring_secret"


class KeyUse(models.Model):
    """Calls with one key on one UTC day from one address by one client: who would notice its end."""

    id = models.BigAutoField(primary_key=True)
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="uses")
    day = models.DateField()
    ip = models.CharField(max_length=45, blank=True)
    client = models.CharField(max_length=80, blank=True)
    calls = models.BigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        db_table = "governance_key_use"
        constraints = [
            models.UniqueConstraint(
                fields=["key", "day", "ip", "client"], name="key_use_once_a_day"
            ),
            models.CheckConstraint(condition=models.Q(calls__gt=0), name="key_use_counts"),
        ]
