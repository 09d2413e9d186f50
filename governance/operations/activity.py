"""When a member was last here: what the suggestions to free seats are made from."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from governance.models import Membership

# A page costs a write at most once in this time.
GRAIN = timedelta(hours=1)


def note_activity(*, organization_id: UUID, user_id: UUID, at: datetime) -> None:
    """Remember that the person was active in the organization. Idempotent, exact to an hour."""
    Membership.objects.filter(
        Q(last_active_at=None) | Q(last_active_at__lt=at - GRAIN),
        organization_id=organization_id,
        user_id=user_id,
        deactivated_at=None,
    ).update(last_active_at=at)
