"""Reading spend alerts."""

from uuid import UUID

from billing.models import SpendAlert
from governance.kernel.errors import NotFound


def spend_alerts_page(
    organization_id: UUID, *, after: UUID | None, limit: int
) -> tuple[list[SpendAlert], bool]:
    """Alerts by their id, and whether there are more."""
    rows = SpendAlert.objects.filter(organization_id=organization_id)
    if after is not None:
        rows = rows.filter(id__gt=after)
    found = list(rows.order_by("id")[: limit + 1])
    return found[:limit], len(found) > limit


def spend_alert_of(organization_id: UUID, alert_id: UUID) -> SpendAlert:
    """One alert. Raises NotFound."""
    found = SpendAlert.objects.filter(organization_id=organization_id, id=alert_id).first()
    if found is None:
        raise NotFound("There is no such spend alert.")
    return found
