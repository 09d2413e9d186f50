"""Server-sent events in OpenAI's words: partial images that passed the gate, then the images."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections

from governance.api.problems import problem
from governance.kernel.errors import DomainError
from inference.api.admission import Pending
from inference.api.outcomes import raise_if_not_delivered
from inference.api.waiting import Event, events_until_final
from inference.operations.previews import fetch_preview
from inference.operations.storage import read_image
from inference.queries.generations import GenerationDetail, artifact_of, generation_of

# Proxies and clients cut a connection on which nothing comes for half a minute or more.
KEEPALIVE_S = 10.0
KEEPALIVE = ": keepalive\n\n"


async def image_events(pending: Pending) -> AsyncIterator[str]:
    """Events of one job until it is final.

    A client that goes away ends this and nothing else: the job goes on and can be fetched.
    """
    yield ": queued\n\n"
    frame = await facts(pending)
    async for event in events_until_final(
        pending.generation_id, timeout_s=pending.wait_s, silence_s=KEEPALIVE_S
    ):
        if event["event"] == "preview":
            shown = await sync_to_async(partial_image)(pending.generation_id, event, frame)
            if shown:
                yield shown
        elif event["event"] == "silence":
            yield KEEPALIVE
    for line in await sync_to_async(last_events, thread_sensitive=False)(pending):
        yield line


async def facts(pending: Pending) -> dict[str, Any]:
    """What every event of this job repeats."""
    return await sync_to_async(frame_of, thread_sensitive=False)(pending)


def frame_of(pending: Pending) -> dict[str, Any]:
    """OpenAI's fields that are the same in each event of a job."""
    try:
        detail = generation_of(pending.organization_id, pending.generation_id)
    finally:
        connections.close_all()
    return {
        "created_at": int(detail.summary.created_at.timestamp()),
        "size": f"{detail.summary.width}x{detail.summary.height}",
        "quality": "auto",
        "background": "opaque",
        "output_format": detail.output_format,
    }


def partial_image(generation_id: UUID, event: Event, frame: dict[str, Any]) -> str:
    """One preview as an event; nothing where it has gone or its receipt does not fit."""
    data = fetch_preview(generation_id=generation_id, announced=event)
    if data is None:
        return ""
    return sse(
        "image_generation.partial_image",
        {
            "b64_json": base64.b64encode(data).decode(),
            "partial_image_index": event["partial"],
            "image_index": event["index"],
            **frame,
        },
    )


def last_events(pending: Pending) -> list[str]:
    """``image_generation.completed`` for each image, or ``error``."""
    try:
        detail = generation_of(pending.organization_id, pending.generation_id)
        raise_if_not_delivered(detail)
        return [completed(detail, image.index) for image in detail.summary.artifacts]
    except DomainError as error:
        body, _ = problem(error, request_id="", instance=f"/v1/generations/{pending.generation_id}")
        return [sse("error", body)]
    finally:
        connections.close_all()


def completed(detail: GenerationDetail, index: int) -> str:
    """The event that carries one delivered image and what the whole request cost."""
    summary = detail.summary
    data = read_image(artifact_of(detail.organization_id, summary.id, index))
    return sse(
        "image_generation.completed",
        {
            "b64_json": base64.b64encode(data).decode(),
            "image_index": index,
            "id": str(summary.id),
            **({"revised_prompt": summary.revised_prompt} if summary.revised_prompt else {}),
            "seed": summary.seed + index,
            "created_at": int(summary.created_at.timestamp()),
            "size": f"{summary.width}x{summary.height}",
            "quality": "auto",
            "background": "opaque",
            "output_format": detail.output_format,
            "usage": {
                # The openai SDKs type these as required; Licet counts money and images, not tokens.
                "input_tokens": 0,
                "output_tokens": 0,
                "total_tokens": 0,
                "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                "cost_microusd": summary.charged_microusd,
                "images": len(summary.artifacts),
            },
        },
    )


def sse(event: str, data: dict[str, Any]) -> str:
    """One event; its type stands in the data too, where OpenAI's clients read it."""
    body = {"type": event, **data} if event != "error" else data
    return f"event: {event}\ndata: {json.dumps(body, separators=(',', ':'))}\n\n"
