"""Seats: a person counted once per control group, whatever brought them in."""

from uuid import UUID

from django.conf import settings
from django.db import models

from governance.kernel.ids import uuid7
from governance.models.epochs import seats_changed
from governance.models.organizations import Organization


class SeatPool(models.Model):
    """The seats that are counted together: of a control group, or of one organization alone.

    ``id`` is the group's id, or the organization's where it has no group. The row is the lock
    under which seats are claimed; ``used`` is kept in step with the open seats.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True)
    used = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "governance_seat_pool"


class Seat(models.Model):
    """One person's seat in a pool from ``claimed_at`` until ``released_at``.

    ``person`` is ``user:<id>`` or, where the policy counts them, ``end_user:<hash>``.
    """

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    pool_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    person = models.CharField(max_length=80)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="seats"
    )
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="seats")
    source = models.CharField(max_length=16)
    claimed_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)
    # Of an end user; a member's activity is the membership's.
    last_active_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_seat"
        constraints = [
            models.UniqueConstraint(
                fields=["pool_id", "person"],
                condition=models.Q(released_at__isnull=True),
                name="seat_once_per_person",
            ),
            models.CheckConstraint(
                condition=models.Q(released_at__isnull=True)
                | models.Q(released_at__gte=models.F("claimed_at")),
                name="seat_released_after_claimed",
            ),
        ]
        indexes = [models.Index(fields=["pool_id", "claimed_at"], name="seat_by_pool")]
        triggers = [seats_changed]


class SeatSnapshot(models.Model):
    """Seats of a pool on one day, for the chart, the peak and the report."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    pool_id: models.UUIDField[UUID, UUID] = models.UUIDField()
    day = models.DateField()
    used = models.PositiveIntegerField()
    pending = models.PositiveIntegerField()
    limit = models.PositiveIntegerField()
    peak = models.PositiveIntegerField()

    class Meta:
        db_table = "governance_seat_snapshot"
        constraints = [
            models.UniqueConstraint(fields=["pool_id", "day"], name="seat_snapshot_once_a_day")
        ]


class Invitation(models.Model):
    """An invitation by e-mail; a seat only once accepted. ``waiting_since``: the door was full."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="invitations"
    )
    email = models.EmailField()
    role = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    waiting_since = models.DateTimeField(null=True)
    # When the person was told that a seat is free for them.
    called_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "governance_invitation"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_once_open",
            )
        ]
