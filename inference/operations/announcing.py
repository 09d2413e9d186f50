"""The end of a generation or a training, told to webhooks: the organization's, and the one that a call
named."""

from datetime import datetime

from django.conf import settings

from governance.operations.webhook_events import send_event
from inference.models import Generation, TrainingJob, TrainingState

TRAINING_EVENTS = {
    TrainingState.SUCCEEDED: "training.completed",
    TrainingState.FAILED: "training.failed",
    TrainingState.CANCELLED: "training.cancelled",
}


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


def announce_training_ended(job: TrainingJob, at: datetime) -> None:
    """Queue ``training.completed``, ``.failed`` or ``.cancelled`` in the transaction that ends it; name,
    trigger word and prompt stay here."""
    send_event(
        organization_id=job.organization_id,
        type=TRAINING_EVENTS[TrainingState(job.state)],
        data={
            "id": str(job.id),
            "object": "training",
            "status": str(job.state),
            "project_id": str(job.project_id),
            "api_key_id": str(job.api_key_id) if job.api_key_id else None,
            "adapter": str(job.adapter_id) if job.adapter_id else None,
            "steps": job.steps,
            "step": job.step,
            "charged_microusd": job.charged_microusd,
            "created_at": job.created_at.isoformat(),
            "finished_at": at.isoformat(),
            "error": {"code": job.error_code} if job.error_code else None,
            "url": f"{settings.PUBLIC_URL}/v1/training/jobs/{job.id}",
        },
        at=at,
    )
