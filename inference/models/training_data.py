"""What an adapter is trained on: pictures with captions, each past the gate, and who vouches for them."""

from uuid import UUID

import pgtrigger
from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7


class TrainingDataset(models.Model):
    """Pictures and captions of one organization. From its first job on it is frozen: ``sha256`` names it."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    frozen_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "inference_training_dataset"
        indexes = [
            models.Index(fields=["organization", "-id"], name="training_dataset_by_org"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(frozen_at__isnull=True, sha256="")
                | Q(frozen_at__isnull=False) & ~Q(sha256=""),
                name="training_dataset_frozen_has_hash",
            ),
        ]


class TrainingItem(models.Model):
    """One picture and its caption, accepted or refused. Of a refused one no bytes are kept.

    ``sha256`` is of the stored PNG, which the gate judged; ``uploaded_sha256`` of what was sent. Both
    receipts are the gate's, for exactly this item. Sizes in px.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    dataset = models.ForeignKey(TrainingDataset, on_delete=models.PROTECT, related_name="items")
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    name = models.CharField(max_length=200, blank=True)
    caption = models.TextField(blank=True)
    accepted = models.BooleanField()
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    error_facts = models.JSONField(default=dict)
    uploaded_sha256 = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64, blank=True)
    blob = models.CharField(max_length=200, blank=True)
    width = models.PositiveSmallIntegerField(default=0)
    height = models.PositiveSmallIntegerField(default=0)
    caption_receipt = models.JSONField(default=dict)
    picture_receipt = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "inference_training_item"
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "uploaded_sha256"],
                condition=Q(accepted=True),
                name="training_item_once_per_dataset",
            ),
            models.CheckConstraint(
                condition=Q(accepted=False, blob="") & ~Q(error_code="")
                | Q(
                    accepted=True,
                    caption_receipt__has_key="signature",
                    picture_receipt__has_key="signature",
                ),
                name="training_item_has_receipts_or_a_reason",
            ),
        ]


class RightsAttestation(models.Model):
    """Somebody vouches that these very items may be used: who, when, which text. Never changed.

    ``items_sha256`` names the items as they were; ``text_sha256`` the statement that was accepted.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    dataset = models.ForeignKey(
        TrainingDataset, on_delete=models.PROTECT, related_name="attestations"
    )
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    items_sha256 = models.CharField(max_length=64)
    text_version = models.CharField(max_length=32)
    text_sha256 = models.CharField(max_length=64)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    actor_label = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField()

    class Meta:
        db_table = "inference_rights_attestation"
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]
