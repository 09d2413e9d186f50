"""The vault: evidence under envelope encryption, erased by destroying keys, preserved by holds."""

from uuid import UUID

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7


class RetentionClass(models.TextChoices):
    """How long what is kept, see ``moderation.operations.vault.RETENTION``."""

    CHILD_SAFETY = "child_safety"
    WITHHELD = "withheld"
    ORDINARY = "ordinary"


ACTIVE_HOLD = "SELECT 1 FROM moderation_preservation_hold h WHERE h.released_at IS NULL"
PRESERVE_EVIDENCE = f"""
    IF EXISTS ({ACTIVE_HOLD} AND h.evidence_id = OLD.id)
       AND (TG_OP = 'DELETE'
            OR NEW.wrapped_key IS DISTINCT FROM OLD.wrapped_key
            OR NEW.ciphertext IS DISTINCT FROM OLD.ciphertext
            OR NEW.nonce IS DISTINCT FROM OLD.nonce
            OR NEW.id IS DISTINCT FROM OLD.id
            OR NEW.key_id IS DISTINCT FROM OLD.key_id) THEN
        RAISE EXCEPTION 'this evidence is under a preservation hold'
            USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
"""
PRESERVE_KEY = f"""
    IF EXISTS ({ACTIVE_HOLD} AND h.evidence_id IN
               (SELECT e.id FROM moderation_evidence e WHERE e.key_id = OLD.id))
       AND (TG_OP = 'DELETE' OR NEW.wrapped_key IS DISTINCT FROM OLD.wrapped_key) THEN
        RAISE EXCEPTION 'evidence under this key is under a preservation hold'
            USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
"""  # noqa: S608 (constants of this file)


class VaultKey(models.Model):
    """The key of one organization's evidence of one class, wrapped under the operator's key.

    Destroyed (``wrapped_key`` empty), everything under it is erased, backups included.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    retention = models.CharField(max_length=16, choices=RetentionClass)
    wrapped_key = models.BinaryField()
    created_at = models.DateTimeField()
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "moderation_vault_key"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "retention"],
                condition=Q(destroyed_at__isnull=True),
                name="vault_key_one_live",
            )
        ]
        triggers = [
            pgtrigger.Trigger(
                name="preserve",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func=PRESERVE_KEY,
            )
        ]


class Evidence(models.Model):
    """One piece of evidence: AES-256-GCM under its own key, itself wrapped under the vault key."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    decision_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    kind = models.CharField(max_length=16)
    key = models.ForeignKey(VaultKey, on_delete=models.PROTECT, related_name="evidence")
    wrapped_key = models.BinaryField()
    nonce = models.BinaryField()
    ciphertext = models.BinaryField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "moderation_evidence"
        indexes = [
            models.Index(fields=["decision_id"], name="evidence_by_decision"),
            models.Index(
                fields=["expires_at"], name="evidence_to_erase", condition=Q(erased_at__isnull=True)
            ),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="preserve",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func=PRESERVE_EVIDENCE,
            )
        ]


class PreservationHold(models.Model):
    """A duty to keep one piece of evidence. Ends only when two people release it."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, related_name="holds")
    basis = models.CharField(max_length=200)
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    placed_at = models.DateTimeField()
    not_before = models.DateTimeField()
    release_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    released_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "moderation_preservation_hold"
        constraints = [
            models.CheckConstraint(
                condition=Q(released_at__isnull=True)
                | (
                    Q(released_by__isnull=False, release_asked_by__isnull=False)
                    & ~Q(released_by=F("release_asked_by"))
                    & Q(released_at__gte=F("not_before"))
                ),
                name="hold_released_by_two_people_in_time",
            )
        ]
        triggers = [pgtrigger.Protect(name="never_deleted", operation=pgtrigger.Delete)]
