"""The outbox of e-mail: written in the transaction of the act that it tells of, delivered after it."""

from uuid import UUID

from django.db import models
from django.db.models import Q

from governance.kernel.ids import uuid7


class OutgoingMail(models.Model):
    """One letter to one address. The bodies may hold links that sign people in.

    ``next_try_at`` is the lease of the process that delivers it: whoever takes a letter moves it
    into the future first, so that a second process leaves it alone.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True)
    kind = models.CharField(max_length=40)
    to_address = models.EmailField(max_length=254)
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    created_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_outgoing_mail"
        indexes = [
            models.Index(
                fields=["next_try_at"],
                name="mail_due",
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
            ),
            models.Index(fields=["to_address"], name="mail_by_address"),
            models.Index(fields=["-created_at"], name="mail_by_age"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True) | Q(given_up_at__isnull=True),
                name="mail_sent_or_given_up",
            )
        ]
