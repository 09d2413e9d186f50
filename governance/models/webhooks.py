"""Webhooks out: where events go, the outbox that they wait in, and every attempt to deliver them."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7
from governance.models.organizations import Organization


class WebhookEndpoint(models.Model):
    """An address that gets the organization's events; ``events`` empty: all of them.

    The row without a ``url`` signs what goes to the addresses that single calls name (X-Webhook-URL).
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="webhook_endpoints"
    )
    url = models.CharField(max_length=2000, blank=True)
    description = models.CharField(max_length=200, blank=True)
    events = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    failing_since = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_webhook_endpoint"
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], condition=Q(url=""), name="webhook_one_signer_of_calls"
            )
        ]


class WebhookSecret(models.Model):
    """A signing secret, sealed; during a rotation the old one signs too, until ``retires_at``."""

    id = models.BigAutoField(primary_key=True)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="secrets")
    sealed = models.TextField()
    created_at = models.DateTimeField()
    retires_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_webhook_secret"


class WebhookEvent(models.Model):
    """What happened, as it is sent: written in the transaction in which it happened."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="webhook_events"
    )
    type = models.CharField(max_length=64)
    body = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "governance_webhook_event"
        indexes = [models.Index(fields=["created_at"], name="webhook_event_by_age")]


class DeliveryState(models.TextChoices):
    """Pending is tried again at ``next_attempt_at``; the others are final."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookDelivery(models.Model):
    """One event on its way to one address. A replay is another delivery of the same event."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries"
    )
    url = models.CharField(max_length=2000)
    state = models.CharField(max_length=16, choices=DeliveryState, default=DeliveryState.PENDING)
    is_replay = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_webhook_delivery"
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="webhook_delivery_due",
                condition=Q(state="pending"),
            ),
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_log"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="pending", next_attempt_at__isnull=False)
                | Q(state__in=("delivered", "failed"), finished_at__isnull=False),
                name="webhook_delivery_pending_or_finished",
            )
        ]


class WebhookAttempt(models.Model):
    """One try: what the receiver said, or why nothing was said. ``duration`` in ms."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)
    response = models.CharField(max_length=1000, blank=True)

    class Meta:
        db_table = "governance_webhook_attempt"
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="webhook_attempt_once_per_number"
            )
        ]
