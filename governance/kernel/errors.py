"""Errors that a caller may expect: a stable code, a constant title, an HTTP status and facts."""

from typing import Any, ClassVar


class DomainError(Exception):
    """An anticipated refusal. Subclasses sit beside the function that raises them.

    ``detail`` says in plain words what happened this time and what to do; ``facts`` are the
    figures behind it, sent to clients as extension members of the problem document.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "The request could not be carried out"
    status: ClassVar[int] = 400
    # Whether an SDK should repeat the request unchanged: sent as x-should-retry.
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", **facts: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.facts = facts


class NotFound(DomainError):
    """Nothing here that this caller may see; another tenant's object is not found either."""

    code = "not_found"
    title = "There is no such object"
    status = 404


class InvalidRequest(DomainError):
    """The request cannot be understood; ``param`` names the field."""

    code = "invalid_request"
    title = "The request is not valid"
    status = 400


class Unavailable(DomainError):
    """A part of the service is not ready; the same request may be repeated."""

    code = "unavailable"
    title = "The service is not ready"
    status = 503
    retryable = True
