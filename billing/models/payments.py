"""Money that comes in and goes back through Stripe: what we asked for, and what became of it."""

from uuid import UUID

from django.db import models
from django.db.models import F, Q

from governance.kernel.ids import uuid7

MICROUSD_PER_CENT = 10_000


class PaymentProfile(models.Model):
    """How one organization pays: its customer at Stripe, its card, its automatic top-up.

    Amounts in µUSD. Whether automatic top-up is due is derived, never stored.
    """

    organization = models.OneToOneField(
        "governance.Organization", primary_key=True, on_delete=models.PROTECT, related_name="+"
    )
    customer = models.CharField(max_length=64, blank=True)
    payment_method = models.CharField(max_length=64, blank=True)
    card_label = models.CharField(max_length=64, blank=True)
    automatic = models.BooleanField(default=False)
    threshold = models.BigIntegerField(default=0)
    top_up_amount = models.BigIntegerField(default=0)
    monthly_ceiling = models.BigIntegerField(default=0)
    declines = models.PositiveSmallIntegerField(default=0)
    retry_after = models.DateTimeField(null=True)
    switched_off_because = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "billing_payment_profile"
        constraints = [
            models.CheckConstraint(
                condition=Q(automatic=False)
                | Q(threshold__gt=0, top_up_amount__gt=0)
                & Q(monthly_ceiling__gte=F("top_up_amount"))
                & ~Q(payment_method=""),
                name="automatic_top_up_is_complete",
            )
        ]


class TopUpState(models.TextChoices):
    """``creating`` is committed before Stripe is called; nobody knows yet what Stripe did."""

    CREATING = "creating"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN_TOP_UPS = (TopUpState.CREATING, TopUpState.PENDING)


class TopUpTrigger(models.TextChoices):
    """Who started it: a person, the automatic top-up, or Stripe told of one that we did not know."""

    CHECKOUT = "checkout"
    AUTOMATIC = "automatic"
    FOUND = "found"


class TopUp(models.Model):
    """One payment into a wallet, µUSD in whole cents; its id is Stripe's idempotency key."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    amount = models.BigIntegerField()
    trigger = models.CharField(max_length=16, choices=TopUpTrigger)
    state = models.CharField(max_length=16, choices=TopUpState, default=TopUpState.CREATING)
    checkout_session = models.CharField(max_length=128, null=True, unique=True)  # noqa: DJ001
    payment = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001
    checkout_url = models.TextField(blank=True)
    save_card = models.BooleanField(default=False)
    failure = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    # The janitor's questions to Stripe while the outcome is unknown.
    asked = models.PositiveSmallIntegerField(default=0)
    ask_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_top_up"
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="top_up_by_organization"),
            models.Index(
                fields=["ask_at"], name="top_up_to_ask", condition=Q(ask_at__isnull=False)
            ),
        ]
        constraints = [
            # NULL and unique: many rows have no session or payment yet, none shares one.
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(trigger=TopUpTrigger.AUTOMATIC, state__in=OPEN_TOP_UPS),
                name="one_automatic_top_up_in_flight",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="top_up_is_positive"),
            models.CheckConstraint(
                condition=Q(state__in=TopUpState.values) & Q(trigger__in=TopUpTrigger.values),
                name="top_up_words_known",
            ),
            models.CheckConstraint(
                condition=~Q(state=TopUpState.SUCCEEDED)
                | Q(payment__isnull=False, settled_at__isnull=False),
                name="succeeded_top_up_names_its_payment",
            ),
        ]


class RefundState(models.TextChoices):
    """The wallet is debited when the refund is created, and credited again if it fails."""

    CREATING = "creating"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Refund(models.Model):
    """Paid credit on its way back to the card, µUSD; its id is Stripe's idempotency key."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="refunds")
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=RefundState, default=RefundState.CREATING)
    gateway_id = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    asked = models.PositiveSmallIntegerField(default=0)
    ask_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_refund"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_is_positive"),
            models.CheckConstraint(
                condition=Q(state__in=RefundState.values), name="refund_state_known"
            ),
        ]


class Dispute(models.Model):
    """A payment that the card's owner contests; the wallet follows what Stripe did, each step once."""

    id = models.CharField(primary_key=True, max_length=64)
    organization = models.ForeignKey(
        "governance.Organization", on_delete=models.PROTECT, related_name="+"
    )
    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="disputes")
    amount = models.BigIntegerField()
    status = models.CharField(max_length=32)
    withdrawn = models.BooleanField(default=False)
    reinstated = models.BooleanField(default=False)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "billing_dispute"
        constraints = [
            models.CheckConstraint(
                condition=Q(reinstated=False) | Q(withdrawn=True),
                name="dispute_returns_only_what_it_took",
            )
        ]


class StripeEvent(models.Model):
    """A webhook that was received, with its effect in the same transaction."""

    id = models.CharField(primary_key=True, max_length=128)
    type = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    api_version = models.CharField(max_length=32, blank=True)
    payload = models.JSONField()
    outcome = models.CharField(max_length=32)
    received_at = models.DateTimeField()

    class Meta:
        db_table = "billing_stripe_event"
