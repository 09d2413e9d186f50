"""Who may review."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from governance.kernel.actors import Actor
from governance.operations import audit
from moderation.models import Reviewer, ReviewerRole


@transaction.atomic
def appoint_reviewer(*, user_id: UUID, roles: Sequence[ReviewerRole], actor: Actor) -> Reviewer:
    """Make one of the operator's people a reviewer with these roles. Asked again, nothing changes."""
    reviewer, is_new = Reviewer.objects.get_or_create(
        user_id=user_id, defaults={"roles": list(roles)}
    )
    if is_new:
        audit.record(
            act="reviewer.appointed",
            actor=actor,
            subject_kind="user",
            subject_id=user_id,
            facts={"roles": list(roles)},
        )
    return reviewer
