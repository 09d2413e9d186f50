"""What the gate forgets of a person who is erased."""

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef

from moderation.models import Appeal, Decision, Evidence, PreservationHold, UserReport


def forget_person(user_id: UUID, at: datetime) -> int:
    """Sealed prompts lose their keys, statements and contacts their words; what is under a hold stays."""
    person = {"actor_kind": "user", "actor_id": str(user_id)}
    held = PreservationHold.objects.filter(evidence=OuterRef("pk"), released_at__isnull=True)
    decisions = Decision.objects.filter(**person).values("id")
    evidence = Evidence.objects.filter(~Exists(held), decision_id__in=decisions, erased_at=None)
    return (
        evidence.update(wrapped_key=b"", ciphertext=b"", erased_at=at)
        + Appeal.objects.filter(appellant_kind="user", appellant_id=str(user_id)).update(
            statement=""
        )
        + UserReport.objects.filter(reporter_kind="user", reporter_id=str(user_id)).update(
            statement="", contact=""
        )
    )
