"""A customer's directory: what it provisions over SCIM, and the tokens and sign-on it uses."""

from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from governance.kernel.ids import uuid7
from governance.models.organizations import Organization


class DirectoryToken(models.Model):
    """The bearer token of one directory connection; only its digest is kept."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="directory_tokens"
    )
    label = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_directory_token"


class DirectoryResource(models.Model):
    """A User or Group as the directory sent it; ``user`` is the person it stands for.

    ``version`` counts changes and is the entity tag.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="directory_resources"
    )
    kind = models.CharField(max_length=8, choices=[("User", "User"), ("Group", "Group")])
    unique_name = models.CharField(max_length=300, null=True)  # noqa: DJ001 (unique where present)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    document = models.JSONField()
    version = models.PositiveBigIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "governance_directory_resource"
        constraints = [
            models.UniqueConstraint(
                "organization", "kind", Lower("unique_name"), name="directory_name_once"
            )
        ]
        indexes = [models.Index(fields=["organization", "kind", "created_at"], name="directory")]


class IdentityProvider(models.Model):
    """Single sign-on of one organization: which provider, and for whose addresses it may speak."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="identity_provider"
    )
    app = models.OneToOneField(
        "socialaccount.SocialApp", on_delete=models.CASCADE, related_name="identity_provider"
    )
    protocol = models.CharField(max_length=8, choices=[("oidc", "OIDC"), ("saml", "SAML")])
    domains = ArrayField(models.CharField(max_length=253))
    role = models.CharField(max_length=16, default="member")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "governance_identity_provider"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(protocol__in=["oidc", "saml"]),
                name="identity_provider_protocol_known",
            )
        ]
