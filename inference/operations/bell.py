"""Progress for people who wait: small JSON messages over Redis, never the truth.

A lost message costs at most the waiter's next look at the database.
"""

import json
import logging
from functools import cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

CHANNEL_PREFIX = "licet:generation:"


@cache
def connection() -> redis.Redis:
    """One connection pool per process."""
    return redis.Redis.from_url(settings.REDIS_URL or "redis://127.0.0.1:6379/0")


def ring(job_id: UUID, event: str, **facts: Any) -> None:
    """Tell whoever waits for this generation or training; never raises, for nothing depends on it."""
    try:
        message = json.dumps({"id": str(job_id), "event": event, **facts})
        connection().publish(CHANNEL_PREFIX + str(job_id), message)
    except redis.RedisError as error:
        logger.warning("progress of %s was not announced: %s", job_id, error)
