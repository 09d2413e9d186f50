"""Every request has an id, which its reply carries; every error below the API's addresses is a problem."""

import logging
import re
import time
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db.utils import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase

from governance.api.problems import KINDS, RequestRefused, problem_response
from governance.kernel import log_context, tracing
from governance.kernel.errors import Unavailable
from governance.kernel.ids import uuid7
from governance.kernel.tenancy import leave_tenant
from governance.operations.request_counts import count_request

ACCEPTED = re.compile(r"[A-Za-z0-9_.-]{8,64}")
GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
# Asked every few seconds by whoever watches over the process.
PROBES = frozenset({"/healthz", "/readyz"})
# Static files, and addresses that nothing of ours has.
UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

logger = logging.getLogger("licet.request")


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


class RequestRecord:
    """One log event for each request, and its span; after RequestId, whose id both carry.

    The address is told as the route that it fits: what stands in an address itself may open something.
    A caller's own trace is linked to, not joined: callers do not decide what is sampled here.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        log_context.begin(request_id=request.request_id)  # type: ignore[attr-defined]
        if self.is_async:
            return self.later(request)
        began = time.perf_counter()
        with tracing.span("request", link=request.headers.get("traceparent", "")) as span:
            response = self.get_response(request)
            assert isinstance(response, HttpResponseBase)
            tell(request, response, span, time.perf_counter() - began)
        return response

    async def later(self, request: HttpRequest) -> HttpResponseBase:
        """The asynchronous half of ``__call__``."""
        began = time.perf_counter()
        with tracing.span("request", link=request.headers.get("traceparent", "")) as span:
            response = self.get_response(request)
            assert not isinstance(response, HttpResponseBase)
            answered = await response
            tell(request, answered, span, time.perf_counter() - began)
        return answered


def tell(
    request: HttpRequest, response: HttpResponseBase, span: tracing.Span, seconds: float
) -> None:
    """What came of a request, to the log and to the trace. A stream's seconds end where it begins."""
    route = f"/{request.resolver_match.route}" if request.resolver_match else UNMATCHED
    method = request.method if request.method in METHODS else "other"
    assert method is not None
    code = getattr(response, "problem_code", "")
    span.tell(method=method, route=route, status=response.status_code)
    count_request(route, method, response.status_code, code, seconds)
    logger.log(
        logging.DEBUG if route in PROBES else logging.INFO,
        "%s %s %d",
        method,
        route,
        response.status_code,
        extra={"duration_ms": round(seconds * 1000, 1), **({"code": code} if code else {})},
    )


class NobodysTenant:
    """A request reads for no tenant until its key or page has said for which (decision 0071).

    Under ASGI each request has a context of its own, which a streamed reply keeps to its end; without
    one the next request begins here again.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        leave_tenant()
        response = self.get_response(request)
        if isinstance(response, HttpResponseBase):
            leave_tenant()
        return response


class ApiHeaders:
    """For the API alone: no host but ours, and headers for whoever opens a reply in a browser.

    What Django's CommonMiddleware and SecurityMiddleware would do there, without their threads.
    """

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.get_host()
        response = await self.get_response(request)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'")
        return response


def stamped(response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    """``response`` with the request's id, and what views left for its headers (rate limits)."""
    response.headers["x-request-id"] = request.request_id  # type: ignore[attr-defined]
    for name, value in getattr(request, "reply_headers", {}).items():
        response.headers[name] = value
    return response


# Below these, programs read the replies: never a page of HTML.
API_PREFIXES = ("/v1/", "/hf/", "/generate/", "/jobs/")
FIRST_ERROR = 400
# A failover takes seconds, a lost connection less.
AGAIN_S = 2


class ApiProblems:
    """What Django itself answers below the API's addresses becomes problem+json: 404, 405, 413, 500.

    A database that does not answer is a retryable 503. Whether the request took effect is not known then,
    which is what an Idempotency-Key is for.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        response = self.get_response(request)
        if isinstance(response, HttpResponseBase):
            return as_problem(response, request)
        return self.later(response, request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Django's hook for what a view raised; None leaves it to Django."""
        is_silence = isinstance(exception, OperationalError | InterfaceError)
        if not is_silence or not request.path.startswith(API_PREFIXES):
            return None
        logger.warning("the database did not answer %s: %s", request.path, exception)
        return problem_response(
            Unavailable(
                "The database did not answer. Repeat the request with the same Idempotency-Key.",
                retry_after_s=AGAIN_S,
            ),
            request,
        )

    async def later(
        self, response: Awaitable[HttpResponseBase], request: HttpRequest
    ) -> HttpResponseBase:
        """The asynchronous half of ``__call__``."""
        return as_problem(await response, request)


def as_problem(response: HttpResponseBase, request: HttpRequest) -> HttpResponseBase:
    """``response``, or the problem that it means."""
    is_for_programs = request.path.startswith(API_PREFIXES)
    is_page = "json" not in response.headers.get("Content-Type", "")
    if response.status_code < FIRST_ERROR or not is_for_programs or not is_page:
        return response
    kind = KINDS.get(response.status_code, RequestRefused)
    error = kind()
    error.status = response.status_code  # type: ignore[misc]
    problem = problem_response(error, request)
    for kept in ("Allow", "WWW-Authenticate"):
        if kept in response.headers:
            problem.headers[kept] = response.headers[kept]
    # The error was logged where it happened.
    problem._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001
    return problem
