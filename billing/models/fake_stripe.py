"""Where the in-tree stand-in for Stripe keeps its state, so that web and workers see one Stripe."""

from django.db import models


class FakeStripeObject(models.Model):
    """One object of the stand-in, in Stripe's own JSON."""

    id = models.CharField(primary_key=True, max_length=64)
    kind = models.CharField(max_length=32)
    created = models.BigIntegerField()
    body = models.JSONField()
    delivered = models.BooleanField(default=True)

    class Meta:
        db_table = "billing_fake_stripe_object"
        indexes = [models.Index(fields=["kind", "created"], name="fake_stripe_by_kind")]


class FakeStripeReply(models.Model):
    """What was answered to an idempotency key: the same request gets the same answer again."""

    key = models.CharField(primary_key=True, max_length=255)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()

    class Meta:
        db_table = "billing_fake_stripe_reply"
