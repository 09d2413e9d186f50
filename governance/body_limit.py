"""Bodies have an end: counted as they arrive, so that nobody can fill the disk.

Django reads a whole body before any view runs, into a file where it is large, and looks at no limit while
it does. So the count stands in front of it, for a body of unknown length too.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]

USUAL = 2 * 1024 * 1024
MOST_DIGITS = 18
# Uploads of pictures and evidence.
UPLOAD = 32 * 1024 * 1024
UPLOAD_KINDS = (b"multipart/", b"image/", b"application/octet-stream")


class BodyLimit:
    """Answers 413 to a body beyond the limit of its kind."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Pass everything on but bodies that are too large."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").lower()
        limit = UPLOAD if kind.startswith(UPLOAD_KINDS) else USUAL
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and (len(told) > MOST_DIGITS or int(told) > limit):
            await refuse(scope, send, limit)
            return
        counted = Counted(receive, limit)
        await self.application(scope, counted.receive, counted.guarded(send))
        if counted.is_over and not counted.has_answered:
            await refuse(scope, send, limit)


class Counted:
    """A body that ends as if the caller had gone when it passes the limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self.left = limit
        self.is_over = False
        self.has_answered = False

    async def receive(self) -> Message:
        """The next message; a disconnect once the limit is passed."""
        if self.is_over:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            self.is_over = True
            return {"type": "http.disconnect"}
        return message

    def guarded(self, send: Send) -> Send:
        """``send``, remembering that a reply has begun."""

        async def remembering(message: Message) -> None:
            self.has_answered = True
            await send(message)

        return remembering


async def refuse(scope: MutableMapping[str, Any], send: Send, limit: int) -> None:
    """413 as problem+json with OpenAI's error object; Django is not asked."""
    detail = f"The body is larger than {limit} bytes. Send less."
    body = {
        "type": "/problems/request_too_large",
        "title": "The body is too large",
        "status": 413,
        "detail": detail,
        "instance": scope["path"],
        "limit_bytes": limit,
        "error": {
            "message": detail,
            "type": "invalid_request_error",
            "code": "request_too_large",
            "param": None,
        },
    }
    data = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(data)).encode()),
        (b"x-should-retry", b"false"),
        # The rest of the body is not read.
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": data})
