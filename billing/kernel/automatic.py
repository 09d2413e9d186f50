"""Whether an automatic top-up is due: a pure decision on figures, all in µUSD."""

from dataclasses import dataclass
from datetime import datetime, timedelta

DECLINES_UNTIL_OFF = 3
FIRST_PAUSE = timedelta(hours=1)
PAUSE_FACTOR = 4


@dataclass(frozen=True)
class Situation:
    """Everything that the decision looks at."""

    switched_on: bool
    threshold: int
    amount: int
    monthly_ceiling: int
    available: int
    in_flight: int
    charged_this_month: int
    disputes_open: int
    retry_after: datetime | None


def is_due(situation: Situation, at: datetime) -> bool:
    """Due when what is available and on its way is below the threshold, and nothing forbids it."""
    return reason_against(situation, at) is None


def reason_against(situation: Situation, at: datetime) -> str | None:
    """Why none is started now, in words for the billing page; None when one is due."""
    waits = situation.retry_after is not None and at < situation.retry_after
    after = situation.charged_this_month + situation.amount
    against = (
        (not situation.switched_on, "Automatic top-up is off."),
        (
            situation.available + situation.in_flight >= situation.threshold,
            "The balance is above the threshold.",
        ),
        (bool(situation.in_flight), "A top-up is on its way."),
        (
            bool(situation.disputes_open),
            "A payment is disputed; no card is charged until that is settled.",
        ),
        (waits, "The card was declined; the next attempt waits."),
        (after > situation.monthly_ceiling, "The next top-up would go over the month's ceiling."),
    )
    return next((reason for applies, reason in against if applies), None)


def pause_after(declines: int) -> timedelta:
    """How long to wait after the n-th decline in a row: one hour, then four times as long."""
    factor: int = PAUSE_FACTOR ** (declines - 1)
    return FIRST_PAUSE * factor
