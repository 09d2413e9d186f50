"""The end of a generation, told to webhooks: the organization's, and the one that the call named."""

from datetime import datetime

from django.conf import settings

from governance.operations.webhook_events import send_event
from inference.models import Generation


def announce_ended(generation: Generation, at: datetime) -> None:
    """Queue ``generation.<state>`` in the transaction that ends it; the prompt stays here."""
    send_event(
        organization_id=generation.organization_id,
        type=f"generation.{generation.state}",
        data={
            "id": str(generation.id),
            "object": "generation",
            "status": generation.state,
            "project_id": str(generation.project_id),
            "api_key_id": str(generation.api_key_id) if generation.api_key_id else None,
            "n": generation.images,
            "charged_microusd": generation.charged_microusd,
            "created_at": generation.created_at.isoformat(),
            "finished_at": at.isoformat(),
            "error": {"code": generation.error_code} if generation.error_code else None,
            "url": f"{settings.PUBLIC_URL}/v1/generations/{generation.id}",
        },
        at=at,
        call_url=generation.webhook_url,
    )
