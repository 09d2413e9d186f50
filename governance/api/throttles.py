"""What a call weighs, and its place in the caller's rate limits."""

from typing import TYPE_CHECKING

from django.utils.timezone import now
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from governance.api.authentication import client_ip
from governance.kernel.registry import call_weights
from governance.operations.api_keys import Caller
from governance.operations.key_uses import use_of
from governance.operations.rate_limits import Quota, RateLimited, count_call

if TYPE_CHECKING:  # DRF reads this module while its views are being imported
    from rest_framework.views import APIView

LIGHTEST = 1


class RateLimit(BaseThrottle):
    """Counts the call for the key and its organization; the reply says what is left."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """True when both windows have room. Raises RateLimited."""
        caller: object = request.user
        if not isinstance(caller, Caller):
            return True
        unreadable: ParseError | None = None
        weight = LIGHTEST
        try:
            weight = weight_of(request, view)
        except ParseError as error:
            unreadable = error
        at = now()
        use = use_of(
            key_id=caller.key_id,
            ip=client_ip(request),
            client=request.headers.get("User-Agent", ""),
            at=at,
        )
        try:
            quotas = count_call(
                key_id=caller.key_id,
                organization_id=caller.organization_id,
                weight=weight,
                use=use,
                at=at.isoformat(),
            )
        except RateLimited as refusal:
            announce(request, refusal.quotas)
            raise
        announce(request, quotas)
        if unreadable is not None:
            raise unreadable
        return True


def weight_of(request: Request, view: "APIView") -> int:
    """Units of this call: 1, or what the app that owns the scope says of the body."""
    weigh = call_weights.items.get(str(getattr(view, "scope", "")))
    if weigh is None or request.method != "POST" or not isinstance(request.data, dict):
        return LIGHTEST
    return max(weigh(request.data), LIGHTEST)


def announce(request: Request, quotas: tuple[Quota, ...]) -> None:
    """Leave the headers with the request; ``governance.middleware`` puts them on every reply."""
    if quotas:
        headers = getattr(request._request, "reply_headers", {})  # noqa: SLF001
        request._request.reply_headers = {**headers, **rate_headers(quotas)}  # type: ignore[attr-defined]  # noqa: SLF001


def rate_headers(quotas: tuple[Quota, ...]) -> dict[str, str]:
    """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10), and OpenAI's own."""
    tightest = min(quotas, key=lambda quota: quota.remaining)
    return {
        "RateLimit-Policy": ", ".join(
            f'"{quota.name}";q={quota.limit};w={quota.window_s}' for quota in quotas
        ),
        "RateLimit": ", ".join(
            f'"{quota.name}";r={quota.remaining};t={quota.wait_s or quota.window_s}'
            for quota in quotas
        ),
        "x-ratelimit-limit-requests": str(tightest.limit),
        "x-ratelimit-remaining-requests": str(tightest.remaining),
        "x-ratelimit-reset-requests": f"{tightest.wait_s or tightest.window_s}s",
    }
