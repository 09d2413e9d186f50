"""Every error as RFC 9457 problem+json that also carries the OpenAI-style ``error`` object."""

import logging
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from governance.kernel.errors import DomainError
from governance.operations.api_keys import InvalidApiKey

logger = logging.getLogger(__name__)

# OpenAI's own words for the type of an error, by status; SDKs print it, some switch on it.
ERROR_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
FIRST_SERVER_ERROR = 500


def problem(error: DomainError, *, request_id: str, instance: str) -> tuple[dict[str, Any], int]:
    """The problem document of ``error`` and its status.

    ``error_extra`` among the facts goes into the ``error`` object only.
    """
    facts = dict(error.facts)
    extra = facts.pop("error_extra", {})
    return {
        "type": f"{settings.PUBLIC_URL}/docs/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "request_id": request_id,
        **facts,
        "error": {
            "message": error.detail,
            "type": error_type(error),
            "code": error.code,
            "param": facts.get("param"),
            **extra,
        },
    }, error.status


def error_type(error: DomainError) -> str:
    """The OpenAI-style type of ``error``."""
    own = getattr(error, "openai_type", None)
    if own:
        return str(own)
    if error.status >= FIRST_SERVER_ERROR:
        return "server_error"
    return ERROR_TYPES.get(error.status, "invalid_request_error")


def headers_of(error: DomainError) -> dict[str, str]:
    """x-should-retry always; Retry-After and WWW-Authenticate where they belong."""
    headers = {"x-should-retry": "true" if error.retryable else "false"}
    if "retry_after_s" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after_s"])
    if error.status == InvalidApiKey.status:
        headers["WWW-Authenticate"] = 'Bearer realm="licet"'
    return headers


def problem_response(error: DomainError, request: HttpRequest) -> JsonResponse:
    """``error`` for views outside Django REST framework."""
    body, status = problem(
        error, request_id=getattr(request, "request_id", ""), instance=request.path
    )
    return JsonResponse(
        body, status=status, content_type="application/problem+json", headers=headers_of(error)
    )


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's hook: domain errors and its own errors in one shape."""
    error = as_domain_error(exception)
    if error is None:
        return None
    set_rollback()
    request: Request = context["request"]
    body, status = problem(
        error,
        request_id=getattr(request, "request_id", ""),
        instance=request.path,
    )
    return Response(
        body, status=status, content_type="application/problem+json", headers=headers_of(error)
    )


def as_domain_error(exception: Exception) -> DomainError | None:
    """``exception`` in our own words, or None for a bug."""
    if isinstance(exception, DomainError):
        return exception
    if isinstance(exception, Http404):
        return _named("not_found", "There is no such object", 404, "There is no such object.")
    if isinstance(exception, exceptions.NotAuthenticated):
        return InvalidApiKey("No API key was sent. Send `Authorization: Bearer <key>`.")
    if isinstance(exception, exceptions.ValidationError):
        return validation_error(exception)
    if isinstance(exception, exceptions.APIException):
        code = str(getattr(exception, "default_code", "error"))
        return _named(code, "The request was refused", exception.status_code, str(exception.detail))
    return None


def validation_error(exception: exceptions.ValidationError) -> DomainError:
    """DRF's validation errors with a JSON pointer each; ``param`` names the first field."""
    errors = list(_flatten(exception.detail, ""))
    first = errors[0]
    param = first["pointer"].lstrip("/").split("/")[0] or None
    detail = f"{param}: {first['detail']}" if param else str(first["detail"])
    return _named(
        "invalid_request", "The request is not valid", 400, detail, errors=errors, param=param
    )


def _flatten(detail: Any, pointer: str) -> Any:
    if isinstance(detail, dict):
        for field, inner in detail.items():
            step = "" if field == "non_field_errors" else f"/{field}"
            yield from _flatten(inner, pointer + step)
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flatten(inner, pointer)
    else:
        yield {
            "pointer": pointer,
            "detail": str(detail),
            "code": getattr(detail, "code", "invalid"),
        }


def _named(code: str, title: str, status: int, detail: str, **facts: Any) -> DomainError:
    named = type("Named", (DomainError,), {"code": code, "title": title, "status": status})
    error: DomainError = named(detail, **facts)
    return error
