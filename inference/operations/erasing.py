"""What is forgotten of a person's generations when the person is erased."""

from datetime import datetime
from uuid import UUID

from inference.models import FINAL_STATES, Generation


def forget_person(user_id: UUID, at: datetime) -> int:  # noqa: ARG001 (the registry's signature)
    """Take the words out of a person's finished generations. Images are their organization's."""
    return Generation.objects.filter(member_id=user_id, state__in=FINAL_STATES).update(
        prompt="", revised_prompt="", client_user="", error_detail=""
    )
