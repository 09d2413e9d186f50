"""The line at a full door: first come, first seated; whoever is next is told."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from governance.kernel.actors import SYSTEM
from governance.models import Invitation, Organization, Seat
from governance.operations import audit
from governance.operations.invitation_letters import seat_letter
from governance.operations.mail import post_letter
from governance.operations.seats import (
    SeatLimitReached,
    limit_of,
    lock_pool,
    organizations_of,
)
from governance.queries.facts import pool_id_of

# How long a free seat is kept for the person who was told of it.
KEPT_FOR = timedelta(days=3)
TICK = timedelta(microseconds=1)


def waiting_in(pool_id: UUID, *, at: datetime) -> QuerySet[Invitation]:
    """The open invitations that wait for a seat of this pool, the longest waiting first."""
    return Invitation.objects.filter(
        organization_id__in=organizations_of(pool_id),
        accepted_at=None,
        revoked_at=None,
        expires_at__gt=at,
        waiting_since__isnull=False,
    ).order_by("waiting_since", "id")


def require_turn(*, organization: Organization, invitation: Invitation, at: datetime) -> None:
    """Under the pool's lock: the free seats are not spoken for by people who waited longer.

    Who was told and did not come within ``KEPT_FOR`` holds nobody up. Raises SeatLimitReached.
    """
    pool_id = pool_id_of(organization)
    pool = lock_pool(pool_id)
    limit, door = limit_of(organization, at)
    free = limit - pool.used
    held = Seat.objects.filter(pool_id=pool_id, released_at=None, user__email=invitation.email)
    if free <= 0 or door == "soft" or held.exists():
        return
    ahead = _ahead(invitation, pool_id, at).exclude(called_at__lte=at - KEPT_FOR).count()
    if ahead >= free:
        raise SeatLimitReached(
            f"{free} of {limit} seats {'is' if free == 1 else 'are'} free and kept for people who "
            "wait longer. You are told by mail when one is yours.",
            seats_used=pool.used,
            seats_limit=limit,
            rule="seats",
        )


def join_line(*, invitation: Invitation, pool_id: UUID, at: datetime) -> int:
    """Wait for a seat; the place in line from 1. Asked again, the first time in line stands.

    Under the pool's lock, and each a microsecond behind the last: no two are told the same place.
    """
    lock_pool(pool_id)
    if invitation.waiting_since is None:
        last = waiting_in(pool_id, at=at).aggregate(last=Max("waiting_since"))["last"]
        invitation.waiting_since = max(at, last + TICK) if last else at
        invitation.save(update_fields=["waiting_since"])
    return _ahead(invitation, pool_id, at).count() + 1


def call_waiting(*, at: datetime) -> int:
    """Tell whoever is next that a seat is free; may run as often as it likes. Returns letters posted.

    A new link goes out, because only the digest of the first one is kept. The mark and the letter in
    the outbox stand in one transaction.
    """
    organizations = Organization.objects.filter(
        invitations__waiting_since__isnull=False,
        invitations__accepted_at=None,
        invitations__revoked_at=None,
    ).distinct()
    pools = {pool_id_of(organization): organization for organization in organizations}
    return sum(_call(pool_id, pools[pool_id], at) for pool_id in sorted(pools))


def _ahead(invitation: Invitation, pool_id: UUID, at: datetime) -> QuerySet[Invitation]:
    others = waiting_in(pool_id, at=at).exclude(id=invitation.id)
    since = invitation.waiting_since
    if since is None:
        return others
    earlier = Q(waiting_since__lt=since) | Q(waiting_since=since, id__lt=invitation.id)
    return others.filter(earlier)


@transaction.atomic
def _call(pool_id: UUID, organization: Organization, at: datetime) -> int:
    pool = lock_pool(pool_id)
    limit, _door = limit_of(organization, at)
    line = waiting_in(pool_id, at=at)
    spoken_for = line.filter(called_at__gt=at - KEPT_FOR).count()
    free = max(limit - pool.used - spoken_for, 0)
    # Somebody at the door holds the own invitation and waits for the pool: that one is passed over.
    uncalled = line.filter(called_at=None).select_related("organization")
    called = list(uncalled.select_for_update(of=("self",), skip_locked=True)[:free])
    for invitation in called:
        _tell(invitation, at)
    return len(called)


def _tell(invitation: Invitation, at: datetime) -> None:
    token = secrets.token_urlsafe(32)
    invitation.called_at = at
    invitation.digest = sha256(token.encode()).hexdigest()
    invitation.save(update_fields=["called_at", "digest"])
    audit.record(
        act="invitation.called",
        actor=SYSTEM,
        organization_id=invitation.organization_id,
        subject_kind="invitation",
        subject_id=invitation.id,
        facts={"email": invitation.email, "kept_until": (at + KEPT_FOR).isoformat()},
    )
    letter = seat_letter(invitation, token, kept_until=at + KEPT_FOR)
    organization_id = invitation.organization_id
    post_letter(letter, to=[invitation.email], at=at, organization_id=organization_id)
