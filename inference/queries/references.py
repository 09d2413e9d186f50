"""Which style references and moodboards an organization has: its own, nobody else's."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import QuerySet

from governance.kernel.errors import NotFound
from inference.models import Moodboard, StyleReference


def references_of(organization_id: UUID) -> QuerySet[StyleReference]:
    """The organization's references, newest first."""
    return StyleReference.objects.filter(
        organization_id=organization_id, deleted_at__isnull=True
    ).order_by("-id")


def reference_of(organization_id: UUID, reference_id: UUID) -> StyleReference:
    """One of them. Raises NotFound, also for another tenant's."""
    found = references_of(organization_id).filter(id=reference_id).first()
    if found is None:
        raise NotFound(f"There is no style reference {reference_id}.")
    return found


def moodboards_of(organization_id: UUID) -> QuerySet[Moodboard]:
    """The organization's moodboards, newest first."""
    return Moodboard.objects.filter(
        organization_id=organization_id, deleted_at__isnull=True
    ).order_by("-id")


def moodboard_of(organization_id: UUID, moodboard_id: UUID) -> Moodboard:
    """One of them. Raises NotFound, also for another tenant's."""
    found = moodboards_of(organization_id).filter(id=moodboard_id).first()
    if found is None:
        raise NotFound(f"There is no moodboard {moodboard_id}.")
    return found


def deleted_among(reference_ids: Sequence[UUID]) -> list[str]:
    """Ids of those that are not there any more."""
    kept = set(
        StyleReference.objects.filter(id__in=reference_ids, deleted_at__isnull=True).values_list(
            "id", flat=True
        )
    )
    return [str(each) for each in reference_ids if each not in kept]
