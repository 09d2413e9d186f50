"""Reading endpoints and their delivery log."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch

from governance.kernel.errors import NotFound
from governance.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint


@dataclass(frozen=True)
class DeliveryPage:
    """Deliveries, newest first; ``next_cursor`` continues, None at the end."""

    rows: tuple[WebhookDelivery, ...]
    next_cursor: str | None


def endpoints_of(organization_id: UUID) -> list[WebhookEndpoint]:
    """The registered endpoints, oldest first."""
    rows = WebhookEndpoint.objects.filter(organization_id=organization_id).exclude(url="")
    return list(rows.order_by("id"))


def endpoint_of(organization_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """One endpoint of this organization, the signer of calls included. Raises NotFound."""
    found = WebhookEndpoint.objects.filter(organization_id=organization_id, id=endpoint_id).first()
    if found is None:
        raise NotFound("There is no such webhook endpoint.")
    return found


def signer_of_calls_of(organization_id: UUID) -> WebhookEndpoint | None:
    """The row that signs for addresses that single calls name, once there was such a call."""
    return WebhookEndpoint.objects.filter(organization_id=organization_id, url="").first()


def deliveries_of(endpoint_id: UUID, *, cursor: str | None = None, limit: int = 20) -> DeliveryPage:
    """A page of the endpoint's log with every attempt. Three queries. Raises NotFound for a bad cursor."""
    rows = WebhookDelivery.objects.filter(endpoint_id=endpoint_id).select_related("event")
    if cursor:
        rows = rows.filter(id__lt=_cursor(cursor))
    tries = Prefetch("tries", WebhookAttempt.objects.order_by("number"))
    found = list(rows.prefetch_related(tries).order_by("-id")[: limit + 1])
    more = len(found) > limit
    return DeliveryPage(tuple(found[:limit]), str(found[limit - 1].id) if more else None)


def _cursor(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound("This page address is not valid. Start from the first page.") from error
