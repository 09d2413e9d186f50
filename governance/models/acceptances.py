"""Who accepted which document, when, from where and with which authority (section 3.1(a))."""

from uuid import UUID

from django.conf import settings
from django.db import models

from governance.kernel.ids import uuid7
from governance.models.epochs import organization_facts_changed
from governance.models.organizations import Organization
from governance.models.terms import KEPT, TermsDocument


class Acceptance(models.Model):
    """One document accepted by one person, for themselves or (``authority``) for the organization."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="acceptances"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="acceptances"
    )
    document = models.ForeignKey(TermsDocument, on_delete=models.PROTECT, related_name="+")
    document_version = models.CharField(max_length=32)
    document_sha256 = models.CharField(max_length=64)
    for_organization = models.BooleanField(default=False)
    authority = models.CharField(max_length=200, blank=True)
    accepted_at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)
    actor_kind = models.CharField(max_length=16)
    actor_label = models.CharField(max_length=200)

    class Meta:
        db_table = "governance_acceptance"
        indexes = [models.Index(fields=["organization", "document"], name="acceptance_by_document")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(for_organization=False) | ~models.Q(authority=""),
                name="acceptance_states_authority",
            ),
            models.UniqueConstraint(
                fields=["organization", "user", "document", "for_organization"],
                name="acceptance_once",
            ),
        ]
        triggers = [*KEPT, organization_facts_changed]
