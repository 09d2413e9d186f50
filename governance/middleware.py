"""Every request has an id; every reply carries it as x-request-id."""

import re
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from governance.kernel.ids import uuid7

ACCEPTED = re.compile(r"[A-Za-z0-9_.-]{8,64}")
GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class RequestId:
    """Takes a well-formed X-Request-Id from the caller, else makes one."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        given = request.headers.get("X-Request-Id", "")
        request.request_id = given if ACCEPTED.fullmatch(given) else f"req_{uuid7().hex}"  # type: ignore[attr-defined]
        response = self.get_response(request)
        if isinstance(response, HttpResponseBase):
            return stamped(response, request)
        return self.later(response, request)

    async def later(
        self, response: Awaitable[HttpResponseBase], request: HttpRequest
    ) -> HttpResponseBase:
        """The asynchronous half of ``__call__``."""
        return stamped(await response, request)


def stamped(response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    """``response`` with the request's id, and what views left for its headers (rate limits)."""
    response.headers["x-request-id"] = request.request_id  # type: ignore[attr-defined]
    for name, value in getattr(request, "reply_headers", {}).items():
        response.headers[name] = value
    return response
