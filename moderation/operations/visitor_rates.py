"""How much one address may ask without an account: windows counted in the cache."""

import logging

from django.conf import settings
from django.core.cache import cache

from governance.kernel.errors import DomainError

logger = logging.getLogger(__name__)
WINDOW_S, REPORT_WINDOW_S = 60, 3600


class TooManyVerifications(DomainError):
    """The address has had its pictures for this minute. Wait, or send an API key."""

    code = "rate_limit_exceeded"
    title = "Too many requests in a minute"
    status = 429
    retryable = True


class TooManyReports(DomainError):
    """The address has sent its reports for this hour. Wait."""

    code = "too_many_reports"
    title = "Too many reports in an hour"
    status = 429
    retryable = True


def count_verification(address: str | None) -> None:
    """Count one picture of this address. Raises TooManyVerifications.

    Where the cache does not answer, the call goes through: the verifier itself takes two at a time.
    """
    if _used(f"verify:{address}", WINDOW_S) > settings.VERIFY_PER_MINUTE:
        raise TooManyVerifications(
            f"At most {settings.VERIFY_PER_MINUTE} pictures a minute are verified without a key.",
            retry_after_s=WINDOW_S,
        )


def count_report(address: str | None) -> None:
    """Count one report of this address. Raises TooManyReports.

    Where the cache does not answer, the report goes through: a report lost weighs more than ten too many.
    """
    if _used(f"report:{address}", REPORT_WINDOW_S) > settings.REPORTS_PER_HOUR:
        raise TooManyReports(
            f"At most {settings.REPORTS_PER_HOUR} reports an hour are taken from one address. "
            "Send the next ones later.",
            retry_after_s=REPORT_WINDOW_S,
        )


def _used(name: str, window_s: int) -> int:
    """Uses of ``name`` in its window with this one; 0 where they cannot be counted."""
    try:
        cache.add(name, 0, timeout=window_s)
        return cache.incr(name)
    except Exception as failure:  # noqa: BLE001 (a cache that is away, or the window's end between)
        logger.warning("%s: the rate cannot be counted: %r", name.partition(":")[0], failure)
        return 0
