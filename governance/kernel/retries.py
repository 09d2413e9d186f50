"""When a webhook is tried again: the schedule of Standard Webhooks, three days long, with jitter."""

from datetime import timedelta

# Seconds after each failed attempt; ten attempts over about 76 hours.
SCHEDULE_S = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.2
LONGEST_WISH = timedelta(hours=24)


def delay_after(
    attempts: int, *, chance: float, asked_for: timedelta | None = None
) -> timedelta | None:
    """The pause after that many attempts, None after the last.

    ``chance`` from 0 to 1 spreads it by a fifth either way, so that a receiver that comes back is not hit
    by everything at once. A Retry-After (``asked_for``) is honoured up to a day.
    """
    if attempts > len(SCHEDULE_S):
        return None
    planned = timedelta(seconds=SCHEDULE_S[attempts - 1] * (1 + JITTER * (2 * chance - 1)))
    return max(planned, min(asked_for or timedelta(0), LONGEST_WISH))
