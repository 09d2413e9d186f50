"""Every error as RFC 9457 problem+json that also carries the OpenAI-style ``error`` object."""

import logging
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from governance.kernel.errors import DomainError, InvalidRequest, NotFound
from governance.operations.api_keys import InvalidApiKey

logger = logging.getLogger(__name__)


class MalformedBody(DomainError):
    """The body is no JSON, or not of the kind that its Content-Type says."""

    code = "parse_error"
    title = "The body cannot be read"
    status = 400


class MethodNotAllowed(DomainError):
    """This address exists, but not with this method; Allow names the methods it has."""

    code = "method_not_allowed"
    title = "The address does not take this method"
    status = 405


class NotAcceptable(DomainError):
    """The reply exists in no form that the Accept header asks for."""

    code = "not_acceptable"
    title = "There is no reply of the kind that was asked for"
    status = 406


class BodyTooLarge(DomainError):
    """The body is larger than this address reads. Send less."""

    code = "request_too_large"
    title = "The body is too large"
    status = 413


class UnsupportedMediaType(DomainError):
    """The body's Content-Type is not one that this address reads. Send application/json."""

    code = "unsupported_media_type"
    title = "The body is of a kind that is not read here"
    status = 415


class InternalError(DomainError):
    """A fault of ours; it was logged with the request's id. Repeat the request, or tell us the id."""

    code = "internal_error"
    title = "Something went wrong on our side"
    status = 500
    retryable = True


class RequestRefused(DomainError):
    """The request was refused before it reached what it asks for."""

    code = "request_refused"
    title = "The request was refused"
    status = 400


# What the framework refuses by itself, by status.
KINDS: dict[int, type[DomainError]] = {
    kind.status: kind
    for kind in (
        MalformedBody,
        MethodNotAllowed,
        NotAcceptable,
        BodyTooLarge,
        UnsupportedMediaType,
        InternalError,
        NotFound,
    )
}
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
        "type": f"{settings.PUBLIC_URL}/problems/{error.code}",
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
    response = JsonResponse(
        body, status=status, content_type="application/problem+json", headers=headers_of(error)
    )
    response.problem_code = error.code  # type: ignore[attr-defined] # (for the request's record)
    return response


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Django REST framework's hook: domain errors and its own errors in one shape.

    A bug is left to Django, which logs it; ``governance.middleware.ApiProblems`` writes the reply.
    """
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
    response = Response(
        body,
        status=status,
        content_type="application/problem+json",
        headers=headers_of(error),
    )
    response.problem_code = error.code  # type: ignore[attr-defined] # (for the request's record)
    return response


def as_domain_error(exception: Exception) -> DomainError | None:
    """``exception`` in our own words, or None for a bug."""
    if isinstance(exception, DomainError):
        return exception
    if isinstance(exception, Http404):
        return NotFound("There is no such object.")
    if isinstance(exception, exceptions.NotAuthenticated):
        return InvalidApiKey("No API key was sent. Send `Authorization: Bearer <key>`.")
    if isinstance(exception, exceptions.ValidationError):
        return validation_error(exception)
    if isinstance(exception, exceptions.APIException):
        kind = KINDS.get(exception.status_code, RequestRefused)
        return kind(str(exception.detail))
    return None


def validation_error(exception: exceptions.ValidationError) -> DomainError:
    """DRF's validation errors with a JSON pointer each; ``param`` names the first field."""
    errors = list(_flatten(exception.detail, ""))
    first = errors[0]
    param = first["pointer"].lstrip("/").split("/")[0] or None
    detail = f"{param}: {first['detail']}" if param else str(first["detail"])
    return InvalidRequest(detail, errors=errors, param=param)


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
