"""One signed POST to one checked address, with no redirect and an end to every wait."""

import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import urllib3

from governance.gateways.webhook_addresses import (
    Address,
    Network,
    Target,
    WebhookAddressRefused,
    address_to_call,
    parsed_target,
)

CONNECT_S, ANSWER_S = 5.0, 15.0
KEPT_BYTES = 1000
FIRST_SUCCESS, FIRST_REDIRECT, FIRST_REFUSAL = 200, 300, 400


@dataclass(frozen=True)
class Reply:
    """What came of an attempt: a status, or the reason why there is none."""

    status: int | None
    duration_ms: int
    error: str = ""
    body: str = ""
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """2xx, and nothing else, as Standard Webhooks has it."""
        return self.status is not None and FIRST_SUCCESS <= self.status < FIRST_REDIRECT


def post(url: str, body: bytes, headers: Mapping[str, str], *, opened: Sequence[Network]) -> Reply:
    """Send ``body``; never raises for what the address or its owner does wrong."""
    began = time.monotonic()

    def after(status: int | None = None, **more: object) -> Reply:
        return Reply(status, round(1000 * (time.monotonic() - began)), **more)  # type: ignore[arg-type]

    try:
        target = parsed_target(url)
        address = address_to_call(target, opened=opened)
    except WebhookAddressRefused as refusal:
        return after(error=refusal.detail)
    try:
        with _pool(target, address) as pool:
            response = pool.urlopen(
                "POST",
                target.path,
                body=body,
                headers={
                    **headers,
                    "Host": _host_header(target),
                    "Content-Type": "application/json",
                },
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S),
            )
            text = _beginning(response, began + CONNECT_S + ANSWER_S)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return after(error=f"{type(error).__name__}: {error}"[:300])
    redirected = FIRST_REDIRECT <= response.status < FIRST_REFUSAL
    return after(
        response.status,
        body=text,
        error="Redirects are not followed: register the final address." if redirected else "",
        retry_after=_wish(response.headers.get("Retry-After", "")),
    )


def _pool(target: Target, address: Address) -> urllib3.HTTPConnectionPool:
    """Connects to the checked address; the certificate must be the name's."""
    if target.scheme == "http":
        return urllib3.HTTPConnectionPool(str(address), target.port, maxsize=1)
    return urllib3.HTTPSConnectionPool(
        str(address),
        target.port,
        maxsize=1,
        ssl_context=trusted(),
        server_hostname=target.host,
        assert_hostname=target.host,
    )


@cache
def trusted() -> ssl.SSLContext:
    """The certificates that this machine trusts."""
    return ssl.create_default_context()


def _host_header(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    usual = {"https": 443, "http": 80}[target.scheme]
    return host if target.port == usual else f"{host}:{target.port}"


def _beginning(response: urllib3.BaseHTTPResponse, deadline: float) -> str:
    """The first bytes of the reply, for the log; a receiver that drips is left at the deadline."""
    kept = b""
    while len(kept) < KEPT_BYTES and time.monotonic() < deadline:
        part = response.read1(KEPT_BYTES - len(kept))
        if not part:
            break
        kept += part
    return kept.decode("utf-8", "replace").replace("\0", "")


def _wish(header: str) -> timedelta | None:
    return timedelta(seconds=int(header)) if header.isdecimal() and len(header) <= 6 else None  # noqa: PLR2004
