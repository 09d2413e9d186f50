"""Previews on their way from the engine to a stream: in Redis for two minutes, never in a table.

A preview has passed the same output gate as an image and carries its receipt; who reads it verifies
it again. Losing one costs a preview.
"""

import json
import logging
from typing import Any
from uuid import UUID

import redis

from governance.kernel.canonical import sha256_hex
from inference.engine.protocol import preview_place
from inference.operations.bell import connection, ring
from moderation.operations.release import ReceiptInvalid, verify_receipt

logger = logging.getLogger(__name__)
KEPT_S = 120
KEY_PREFIX = "licet:preview:"


def announce_preview(
    *,
    generation_id: UUID,
    attempt: int,
    index: int,
    partial: int,
    data: bytes,
    receipt: dict[str, Any],
) -> None:
    """Put a released preview where the stream finds it, and ring; never raises.

    Bytes without a fitting receipt go nowhere.
    """
    try:
        check(generation_id, attempt, index, partial, data, receipt)
        name = key_of(generation_id, attempt, index, partial)
        head = json.dumps(receipt).encode()
        connection().set(name, head + b"\n" + data, ex=KEPT_S)
    except (redis.RedisError, ReceiptInvalid) as error:
        logger.warning("a preview of %s was dropped: %s", generation_id, error)
        return
    ring(generation_id, "preview", attempt=attempt, index=index, partial=partial)


def fetch_preview(*, generation_id: UUID, announced: dict[str, Any]) -> bytes | None:
    """The bytes of an announced preview; None where it has gone or its receipt does not fit."""
    place = (int(announced["attempt"]), int(announced["index"]), int(announced["partial"]))
    try:
        stored = connection().get(key_of(generation_id, *place))
        if not isinstance(stored, bytes):
            return None
        head, _, data = stored.partition(b"\n")
        check(generation_id, *place, data, json.loads(head))
    except (redis.RedisError, ReceiptInvalid) as error:
        logger.warning("a preview of %s is not shown: %s", generation_id, error)
        return None
    return data


def check(
    generation_id: UUID,
    attempt: int,
    index: int,
    partial: int,
    data: bytes,
    receipt: dict[str, Any],
) -> None:
    """Raises ReceiptInvalid unless the gate released these bytes as this preview."""
    verify_receipt(
        data_sha256=sha256_hex(data),
        receipt=receipt,
        job_id=generation_id,
        attempt=attempt,
        index=preview_place(index, partial),
    )


def key_of(generation_id: UUID, attempt: int, index: int, partial: int) -> str:
    """The preview's name in Redis."""
    return f"{KEY_PREFIX}{generation_id}:{attempt}:{index}:{partial}"
