"""A live server for the tests of real clients: uvicorn and a supervisor in one process.

``python -m tests.inference.live.stack PORT``; the database, Valkey and LICET_HOME come in the
environment. ``/_test/…`` makes tenants, reads the books and breaks connections on purpose; everything
else is the product.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
django.setup()

import uvicorn  # noqa: E402 (Django first)
from asgiref.sync import sync_to_async  # noqa: E402
from django.db import connections  # noqa: E402

from governance.asgi import application  # noqa: E402
from governance.celery import app as celery_app  # noqa: E402
from inference import tasks  # noqa: E402
from inference.supervisor import Supervisor  # noqa: E402
from tests.inference.live.engine import LiveEngine, Pace  # noqa: E402
from tests.inference.live.world import books, make_tenant, make_world  # noqa: E402

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Faults:
    """Connections that are cut: before the reply to a request, or after some pieces of a stream."""

    def __init__(self) -> None:
        self.lost_replies = 0
        self.cut_after_pieces: int | None = None


class Cut(Exception):
    """The connection ends here; uvicorn closes it, for the reply is not complete."""


class Server:
    """The product's ASGI application behind the tests' own addresses."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.faults = Faults()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/_test/"):
            await self.control(scope, receive, send)
            return
        if scope["type"] == "http" and scope["method"] == "POST":
            send = self.breaking(send)
        try:
            await application(scope, receive, send)
        except Cut:
            return

    def breaking(self, send: Send) -> Send:
        """``send`` with the faults that are due for this reply."""
        faults, pieces = self.faults, 0
        lose = faults.lost_replies > 0
        faults.lost_replies -= lose
        cut_after = None if lose else faults.cut_after_pieces
        faults.cut_after_pieces = None if cut_after is not None else faults.cut_after_pieces

        async def broken(message: dict[str, Any]) -> None:
            nonlocal pieces
            if lose:
                # uvicorn's own connection: no status, no head, as when a cable is pulled.
                send.__self__.transport.abort()  # type: ignore[attr-defined]
                raise Cut
            if message["type"] == "http.response.body" and message.get("body"):
                if cut_after is not None and pieces >= cut_after:
                    raise Cut
                pieces += 1
            await send(message)

        return broken

    async def control(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """The tests' own requests."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        asked = json.loads(body or b"{}")
        query = {
            name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()
        }
        answer = await sync_to_async(self.answer, thread_sensitive=False)(
            scope["path"].removeprefix("/_test/"), asked, query
        )
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def answer(self, what: str, asked: dict[str, Any], query: dict[str, str]) -> Any:
        """One of the tests' own addresses."""
        try:
            if what == "tenant":
                return make_tenant(**asked)
            if what == "books":
                return books(query["organization"])
            if what == "faults":
                for name, value in asked.items():
                    setattr(self.faults, name, value)
            elif what == "engine":
                self.pace.refuses = tuple(asked.get("refuses", ()))
                (self.pace.may_begin.set if asked.get("go", True) else self.pace.may_begin.clear)()
            return {}
        finally:
            connections.close_all()


def main() -> None:
    """Serve until SIGTERM."""
    celery_app.conf.task_always_eager = True
    make_world()
    server = Server()
    supervisor = Supervisor()
    supervisor.engine = LiveEngine(server.pace)  # type: ignore[assignment]
    tasks.supervisors.append(supervisor)
    supervisor.start()
    config = uvicorn.Config(
        server,  # type: ignore[arg-type]
        host="127.0.0.1",
        port=int(sys.argv[1]),
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    try:
        asyncio.run(uvicorn.Server(config).serve())
    finally:
        supervisor.stop()


if __name__ == "__main__":
    main()
