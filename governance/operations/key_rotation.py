"""Rotation: a new secret for the same key, while the old one works for a grace."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidRequest
from governance.kernel.secrets import generate_key
from governance.models import ApiKey, RetiringSecret
from governance.operations.api_keys import CreatedKey, announce, record

LONGEST_GRACE = timedelta(days=30)


class KeyNotRotatable(DomainError):
    """A revoked key stays revoked: make a new one instead."""

    code = "key_not_rotatable"
    title = "The key was revoked and cannot be rotated"
    status = 409


@transaction.atomic
def rotate_api_key(
    *,
    key_id: UUID,
    organization_id: UUID,
    grace: timedelta,
    actor: Actor,
    at: datetime,
    expires_at: datetime | None = None,
) -> CreatedKey:
    """A new secret under the same id: budgets, usage, restrictions and audit go on.

    The old secret works until ``at + grace`` (at most 30 days, zero ends it now); of several old ones
    each has its own end. ``expires_at`` moves the key's own end. Not idempotent. Raises
    KeyNotRotatable, InvalidRequest.
    """
    if not timedelta(0) <= grace <= LONGEST_GRACE:
        raise InvalidRequest("The grace is from 0 to 30 days.", param="grace")
    key = ApiKey.objects.select_for_update().get(id=key_id, organization_id=organization_id)
    if key.revoked_at is not None:
        raise KeyNotRotatable("This key was revoked. Make a new one.")
    RetiringSecret.objects.create(
        key=key,
        digest=key.digest,
        pepper_mark=key.pepper_mark,
        last_four=key.last_four,
        retires_at=at + grace,
    )
    secret = generate_key("live" if key.mode == "live" else "test")
    before, key.last_four = key.last_four, secret[-4:]
    key.digest = settings.API_KEY_PEPPERS.digest(secret)
    key.pepper_mark = settings.API_KEY_PEPPERS.mark
    key.rotated_at = at
    key.expires_at = expires_at or key.expires_at
    key.save()
    record(
        key,
        "api_key.rotated",
        actor,
        old=before,
        new=key.last_four,
        old_works_until=(at + grace).isoformat(),
    )
    announce(key, "api_key.rotated", at, old_works_until=(at + grace).isoformat())
    return CreatedKey(key=key, secret=secret)


@transaction.atomic
def end_grace(*, key_id: UUID, organization_id: UUID, actor: Actor, at: datetime) -> int:
    """End every old secret of the key now; returns how many still worked."""
    key = ApiKey.objects.select_for_update().get(id=key_id, organization_id=organization_id)
    ended = RetiringSecret.objects.filter(key=key, retires_at__gt=at).update(retires_at=at)
    if ended:
        record(key, "api_key.grace_ended", actor, secrets=ended)
    return ended
