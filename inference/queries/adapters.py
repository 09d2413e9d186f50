"""Which adapters an organization may use."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q, QuerySet

from governance.kernel.errors import NotFound
from governance.models import Organization, ReleaseStatus
from inference.models import Adapter


def visible_adapters(organization_id: UUID) -> QuerySet[Adapter]:
    """Its own, and those that its control group shares; newest first."""
    group = Organization.objects.values_list("group_id", flat=True).get(id=organization_id)
    mine = Q(organization_id=organization_id)
    if group is not None:
        mine |= Q(shared_with_group=True, organization__group_id=group)
    return (
        Adapter.objects.filter(mine, deleted_at__isnull=True)
        .select_related("release__parent")
        .order_by("-id")
    )


def adapter_of(organization_id: UUID, adapter_id: UUID) -> Adapter:
    """One adapter that the organization may use. Raises NotFound, also for another tenant's."""
    found = visible_adapters(organization_id).filter(id=adapter_id).first()
    if found is None:
        raise NotFound("There is no such adapter.")
    return found


def revoked_among(adapter_ids: Sequence[UUID]) -> list[str]:
    """Names of those that were deleted or whose release may not start jobs any more."""
    usable = Q(deleted_at__isnull=True) & Q(release__status=ReleaseStatus.ACTIVE)
    return list(
        Adapter.objects.filter(id__in=adapter_ids).exclude(usable).values_list("name", flat=True)
    )
