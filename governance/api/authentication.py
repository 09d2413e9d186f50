"""Bearer API keys for Django REST framework."""

from ipaddress import ip_address

from django.http import HttpRequest
from django.utils.timezone import now
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from governance.kernel import log_context, tracing
from governance.kernel.actors import Actor
from governance.kernel.tenancy import READING, enter_tenant
from governance.operations.api_keys import Caller, InvalidApiKey, authenticate


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer lct_live_…``; ``request.user`` and ``request.auth`` are the Caller."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller] | None:
        """The caller, or None where no key was sent. Raises InvalidApiKey."""
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() not in {"bearer", "key", "token"}:
            raise InvalidApiKey("Send the key as `Authorization: Bearer <key>`.")
        with tracing.span("admission.authenticate"):
            caller = authenticate(secret=secret.strip(), at=now(), ip=client_ip(request))
        log_context.note(organization=str(caller.organization_id))
        if request.method in READING:
            enter_tenant(caller.organization_id)
        return caller, caller

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 (DRF's signature)
        """What a 401 answers in WWW-Authenticate."""
        return 'Bearer realm="licet"'


def client_ip(request: Request | HttpRequest) -> str | None:
    """The peer's address, None where it is none. Proxies are resolved by uvicorn --proxy-headers."""
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def caller_of(request: Request) -> Caller:
    """The authenticated key; the permission class lets nobody else in."""
    caller: Caller = request.user  # type: ignore[assignment]
    return caller


def actor_of(request: Request) -> Actor:
    """The authenticated key as an actor for operations and the audit log."""
    caller = caller_of(request)
    return Actor(
        kind="api_key",
        id=str(caller.key_id),
        label=caller.label,
        ip=client_ip(request),
        request_id=getattr(request, "request_id", ""),
    )
