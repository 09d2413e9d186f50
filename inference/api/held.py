"""Requests that wait: admission on a thread, then the event loop, then the reply on a thread again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.views import APIView

from governance.api.problems import problem_response
from governance.kernel.errors import DomainError
from inference.api.admission import Pending
from inference.api.waiting import wait_until_final
from inference.queries.generations import generation_of

# Admissions and replies of a web process run on these threads, the wait between them on none. Fewer
# than the connections of the pool, so that nobody waits for one of those.
THREADS = 8
threads = ThreadPoolExecutor(THREADS, thread_name_prefix="admission")


def waiting(view: type[APIView]) -> Callable[..., Any]:
    """An asynchronous view around ``view``, whose response may carry a Pending."""
    admit = view.as_view()

    async def handle(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = await on_thread(rendered)(admit, request, kwargs)
        pending: Pending | None = getattr(response, "pending", None)
        if pending is None:
            return response
        if pending.stream is not None:
            return streamed(pending)
        if pending.wait_s:
            await wait_until_final(pending.generation_id, timeout_s=pending.wait_s)
        final: HttpResponseBase = await on_thread(reply)(request, pending)
        return final

    handle.cls = view  # type: ignore[attr-defined]
    handle.initkwargs = {}  # type: ignore[attr-defined]
    return csrf_exempt(handle)


def on_thread(function: Callable[..., HttpResponseBase]) -> Callable[..., Any]:
    """``function`` on one of the bounded threads."""
    return sync_to_async(function, thread_sensitive=False, executor=threads)


def rendered(
    admit: Callable[..., HttpResponseBase], request: HttpRequest, kwargs: dict[str, Any]
) -> HttpResponseBase:
    """Run the admission and render its reply on this thread.

    The connection goes back to the pool before the wait begins: hundreds may wait at once.
    """
    try:
        response = admit(request, **kwargs)
        if hasattr(response, "render"):
            response.render()
        return response
    finally:
        connections.close_all()


def reply(request: HttpRequest, pending: Pending) -> HttpResponseBase:
    """The dialect's reply to the job as it is now."""
    try:
        detail = generation_of(pending.organization_id, pending.generation_id)
        response = pending.reply(request, detail)
    except DomainError as error:
        response = problem_response(error, request)
    finally:
        connections.close_all()
    for name, value in pending.headers.items():
        response.headers[name] = value
    return response


def streamed(pending: Pending) -> StreamingHttpResponse:
    """Server-sent events; no proxy may collect them."""
    assert pending.stream is not None
    return StreamingHttpResponse(
        pending.stream(pending),
        content_type="text/event-stream; charset=utf-8",
        headers={
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            pending.named_by: str(pending.generation_id),
            **pending.headers,
        },
    )
