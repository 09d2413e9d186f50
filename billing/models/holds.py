"""Holds: money set aside for one job until it is captured, voided or expired, exactly once."""

from uuid import UUID

from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7


class HoldState(models.TextChoices):
    """Open, or one of three ends."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


class Hold(models.Model):
    """Reserved µUSD with the quote it was made for; a capture never prices again."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    # Its index would be the beginning of hold_once_per_key again.
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    project_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    api_key_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    member_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    job_id: models.UUIDField[UUID, UUID] = models.UUIDField(unique=True)
    idempotency_key = models.CharField(max_length=255)
    request_sha256 = models.CharField(max_length=64)
    amount = models.BigIntegerField()
    per_image = models.BigIntegerField()
    # A trigger, hold_has_published_price, in place of the foreign key (decision 0083).
    price_version = models.ForeignKey(
        "billing.PriceVersion",
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    quote = models.JSONField()
    # The budget windows that count this hold: [[budget id, window start], ...], in order of id.
    windows = models.JSONField(default=list)
    state = models.CharField(max_length=8, choices=HoldState, default=HoldState.OPEN)
    captured = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=64, blank=True)
    lease_epoch = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_hold"
        indexes = [
            models.Index(fields=["created_at"], name="hold_open", condition=Q(state=HoldState.OPEN))
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "idempotency_key"], name="hold_once_per_key"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="hold_not_negative"),
            models.CheckConstraint(
                condition=Q(captured__gte=0) & Q(captured__lte=F("amount")),
                name="hold_captured_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(captured=0) | Q(state=HoldState.CAPTURED),
                name="hold_charged_only_when_captured",
            ),
            models.CheckConstraint(
                condition=Q(state=HoldState.OPEN, resolved_at__isnull=True)
                | ~Q(state=HoldState.OPEN) & Q(resolved_at__isnull=False),
                name="hold_resolved_when_not_open",
            ),
        ]
