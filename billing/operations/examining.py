"""Examinations of the money: the payment provider, and the last comparison of the ledger."""

from datetime import datetime

from django.conf import settings

from billing.queries.reconciliation import last_runs, open_differences
from governance.kernel.diagnosis import Diagnosis, Examination, broken, by_age, fine, warning

RUN_WARNING_S, RUN_BROKEN_S = 26 * 3600.0, 72 * 3600.0


def look_at_stripe(_at: datetime) -> Diagnosis:
    """Configured whole, or the labelled stand-in; asks nobody."""
    if not settings.STRIPE_SECRET_KEY:
        return warning(
            "the in-tree stand-in takes no real money", "Set STRIPE_SECRET_KEY to take payments."
        )
    if not settings.STRIPE_WEBHOOK_SECRETS:
        return broken(
            "a key but no webhook secret: payments would never be booked",
            "Set STRIPE_WEBHOOK_SECRETS to the endpoint's signing secret.",
        )
    return fine(f"{len(settings.STRIPE_WEBHOOK_SECRETS)} webhook secrets")


def look_at_ledger(at: datetime) -> Diagnosis:
    """The differences that the last reconciliation left open, and how old that run is."""
    runs = last_runs()
    if not runs:
        return warning("never compared", "Run `manage.py reconcile`; beat does so every night.")
    differences = open_differences(at)
    if differences:
        return broken(
            f"{len(differences)} differences are open: {differences[0].row.detail}",
            "docs/runbooks/ledger-difference.md",
        )
    return by_age(
        (at - runs[0].started_at).total_seconds(),
        "no difference, the last comparison",
        warn_s=RUN_WARNING_S,
        broken_s=RUN_BROKEN_S,
        remedy="Run `manage.py reconcile`; see that beat and a worker run.",
    )


EXAMINATIONS = (
    Examination("stripe", look_at_stripe, "Look at STRIPE_SECRET_KEY."),
    Examination(
        "ledger", look_at_ledger, "docs/runbooks/ledger-difference.md", needs_database=True
    ),
)
