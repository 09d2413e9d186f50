"""Waiting for many generations and trainings at once: one Redis subscription and one look at
the database a second.

A waiter costs a dictionary entry, not a thread and not a connection, so that hundreds of clients can
wait in one web process.
"""

import asyncio
import contextlib
import contextvars
import json
import logging
import weakref
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections

from inference.operations.bell import CHANNEL_PREFIX
from inference.queries.generations import final_among
from inference.queries.training import final_trainings_among

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
RECONNECT_AFTER_S = 1.0
Event = dict[str, Any]
FINAL: Event = {"event": "final"}
SILENCE: Event = {"event": "silence"}


class Hub:
    """All waiters of one event loop."""

    def __init__(self) -> None:
        self.waiters: dict[UUID, set[asyncio.Queue[Event]]] = defaultdict(set)
        # Contexts of their own: these tasks outlive the request that happens to start them.
        self.listening = asyncio.create_task(self._listen(), context=contextvars.Context())
        self.looking = asyncio.create_task(self._look(), context=contextvars.Context())

    @contextlib.asynccontextmanager
    async def waiter(self, generation_id: UUID) -> AsyncIterator["asyncio.Queue[Event]"]:
        """A queue of this generation's events for as long as the block runs."""
        mailbox: asyncio.Queue[Event] = asyncio.Queue()
        self.waiters[generation_id].add(mailbox)
        try:
            yield mailbox
        finally:
            self.waiters[generation_id].discard(mailbox)
            if not self.waiters[generation_id]:
                del self.waiters[generation_id]

    def tell(self, generation_id: UUID, event: Event) -> None:
        """Hand ``event`` to everyone who waits for this generation."""
        for mailbox in self.waiters.get(generation_id, ()):
            mailbox.put_nowait(event)

    async def _listen(self) -> None:
        """Forward Redis messages; on a lost connection the database look carries on alone."""
        while True:
            try:
                client = redis.asyncio.Redis.from_url(
                    settings.REDIS_URL or "redis://127.0.0.1:6379/0"
                )
                async with client.pubsub() as subscription:
                    await subscription.psubscribe(CHANNEL_PREFIX + "*")
                    async for message in subscription.listen():
                        if message["type"] == "pmessage":
                            event = json.loads(message["data"])
                            self.tell(UUID(event.pop("id")), event)
            except (redis.RedisError, OSError) as error:
                logger.warning("progress messages are interrupted: %s", error)
                await asyncio.sleep(RECONNECT_AFTER_S)

    async def _look(self) -> None:
        """Once a second, one query for everything that is waited for."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self.waiters:
                continue
            try:
                for generation_id in await in_thread(list(self.waiters)):
                    self.tell(generation_id, FINAL)
            except Exception:
                # Whatever happens to one look, the waiters need the next one.
                logger.exception("the look at the waiting generations failed")


def look(generation_ids: list[UUID]) -> set[UUID]:
    """Which of these jobs are final, generations and trainings.

    Gives its connection back, so that waiting never holds one.
    """
    try:
        return final_among(generation_ids) | final_trainings_among(generation_ids)
    finally:
        connections.close_all()


in_thread = sync_to_async(look, thread_sensitive=False)


_hubs: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = weakref.WeakKeyDictionary()


def hub() -> Hub:
    """The running loop's hub, made at its first use."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


async def wait_until_final(generation_id: UUID, *, timeout_s: float) -> bool:
    """Wait until nothing more will happen to it; False when ``timeout_s`` passed first."""
    async for event in events_until_final(generation_id, timeout_s=timeout_s):
        if event["event"] == "final":
            return True
    return False


async def events_until_final(
    generation_id: UUID, *, timeout_s: float, silence_s: float | None = None
) -> AsyncIterator[Event]:
    """What happens to a generation, ending with ``final``, or without it after ``timeout_s``.

    After ``silence_s`` without an event comes a ``silence``, for connections that must be kept alive.
    """
    async with hub().waiter(generation_id) as mailbox:
        if generation_id in await in_thread([generation_id]):
            yield FINAL
            return
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(min(left, silence_s or left)):
                    event = await mailbox.get()
            except TimeoutError:
                if silence_s is not None:
                    yield SILENCE
                continue
            yield event
            if event["event"] == "final":
                return
