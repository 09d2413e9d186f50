"""The web process: ``uvicorn governance.asgi:application``.

The API has a handler of its own: a key needs no session, no CSRF token and no page's headers, and each
of those middlewares costs a request two changes of thread.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from governance.body_limit import BodyLimit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django.urls import get_resolver

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
API_PREFIXES = ("/v1/", "/hf/", "/generate/", "/jobs/")


class ApiHandler(ASGIHandler):
    """Django's handler with the middleware of the API."""

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 (Django's)
        """Called once, while this module is imported."""
        everything = settings.MIDDLEWARE
        settings.MIDDLEWARE = settings.API_MIDDLEWARE
        try:
            super().load_middleware(is_async=is_async)
        finally:
            settings.MIDDLEWARE = everything


portal = get_asgi_application()
api = ApiHandler()
# Imports every view now, so that the first request does not wait for it.
get_resolver().url_patterns  # noqa: B018


async def by_address(scope: Message, receive: Receive, send: Send) -> None:
    """The API for its addresses, the portal for all others."""
    is_api = scope["type"] == "http" and (
        scope["path"].startswith(API_PREFIXES) or scope["path"] == "/v1"
    )
    await (api if is_api else portal)(scope, receive, send)  # type: ignore[arg-type]


application = BodyLimit(by_address)
