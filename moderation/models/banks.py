"""Hash banks: what is known by its SHA-256 or its perceptual hash, before any model looks."""

from uuid import UUID

from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7

BANKS = [
    ("child_safety", "child safety (hashes only)"),
    ("intimate", "non-consensual intimate images"),
    ("removals", "images removed here"),
    ("deny", "refused by the operator"),
    ("allow", "overturned on appeal"),
]


class HashEntry(models.Model):
    """One known picture. ``pdq`` is 64 hexadecimal digits (256 bits); near means 31 bits or fewer."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    bank = models.CharField(max_length=16, choices=BANKS)
    sha256 = models.CharField(max_length=64, blank=True)
    pdq = models.CharField(max_length=64, blank=True)
    source = models.CharField(max_length=200)
    added_at = models.DateTimeField()
    added_by = models.CharField(max_length=200)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "moderation_hash_entry"
        indexes = [models.Index(fields=["sha256"], name="hash_by_sha256")]
        constraints = [
            models.UniqueConstraint(fields=["bank", "sha256", "pdq"], name="hash_once_per_bank"),
            models.CheckConstraint(
                condition=~Q(sha256="") | ~Q(pdq=""), name="hash_entry_has_a_hash"
            ),
        ]
