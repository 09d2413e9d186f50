"""The audit log: append-only, written in the transaction of the act that it records."""

from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models.functions import Now

from governance.kernel.ids import uuid7


class AuditEntry(models.Model):
    """One governed act: who did what to which subject, when by the database's clock.

    Has no foreign keys, so that an entry outlives what it tells of.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    at = models.DateTimeField(db_default=Now())
    organization_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    actor_label = models.CharField(max_length=200, blank=True)
    ip = models.GenericIPAddressField(null=True)
    act = models.CharField(max_length=64)
    subject_kind = models.CharField(max_length=32)
    subject_id = models.CharField(max_length=64)
    facts = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "governance_audit_entry"
        indexes = [
            models.Index(fields=["organization_id", "-at"], name="audit_by_organization"),
            models.Index(fields=["subject_kind", "subject_id"], name="audit_by_subject"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]
