"""Idempotency keys: which job answered a key, for 24 hours."""

from uuid import UUID

from django.db import models


class IdempotencyKey(models.Model):
    """One key of one organization, the request it came with and the job that answers it.

    The unique constraint is the arbiter between equal requests at once. A row older than 24 hours is
    taken over by the next request with its key.
    """

    id = models.BigAutoField(primary_key=True)
    organization_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    key = models.CharField(max_length=255)
    request_sha256 = models.CharField(max_length=64)
    generation_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "inference_idempotency_key"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "key"], name="idempotency_key_once_per_organization"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_by_age")]
