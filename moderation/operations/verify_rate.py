"""How many pictures one address may have verified: a window of a minute, counted in the cache."""

import logging

from django.conf import settings
from django.core.cache import cache

from governance.kernel.errors import DomainError

logger = logging.getLogger(__name__)
WINDOW_S = 60


class TooManyVerifications(DomainError):
    """The address has had its pictures for this minute. Wait, or send an API key."""

    code = "rate_limit_exceeded"
    title = "Too many requests in a minute"
    status = 429
    retryable = True


def count_verification(address: str | None) -> None:
    """Count one picture of this address. Raises TooManyVerifications.

    Where the cache does not answer, the call goes through: the verifier itself takes two at a time.
    """
    name = f"verify:{address}"
    try:
        cache.add(name, 0, timeout=WINDOW_S)
        used = cache.incr(name)
    except Exception as failure:  # noqa: BLE001 (a cache that is away, or the window's end between)
        logger.warning("verify: the rate cannot be counted: %r", failure)
        return
    if used > settings.VERIFY_PER_MINUTE:
        raise TooManyVerifications(
            f"At most {settings.VERIFY_PER_MINUTE} pictures a minute are verified without a key.",
            retry_after_s=WINDOW_S,
        )
