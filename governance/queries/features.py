"""Which enterprise features an organization may use."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from governance.models import EnterpriseContract, Organization


def unlocked_features(organization_id: UUID, *, at: datetime) -> frozenset[str]:
    """Features (sso, sla, dpa) that a contract of the organization or its group covers now."""
    group = Organization.objects.filter(id=organization_id).values("group_id")
    covered = EnterpriseContract.objects.filter(
        Q(organization_id=organization_id) | Q(organization__group_id__in=group),
        starts_at__lte=at,
        ends_at__gt=at,
    )
    return frozenset(f for features in covered.values_list("features", flat=True) for f in features)
