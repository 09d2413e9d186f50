"""Figures for Prometheus: money that is set aside, money that customers hold, what does not agree."""

from datetime import datetime

from django.db.models import Count, Min, Sum

from billing.models import Difference, Hold, HoldState, ReconciliationRun, Wallet
from governance.kernel.registry import Gauge, Metric


def money_metrics(at: datetime) -> list[Metric]:
    """Open holds, wallets together and the ledger's differences; money in µUSD, ages in s."""
    holds = Hold.objects.filter(state=HoldState.OPEN).aggregate(
        number=Count("id"), amount=Sum("amount"), oldest=Min("created_at")
    )
    wallets = Wallet.objects.aggregate(posted=Sum("posted"), held=Sum("held"))
    differences = Difference.objects.filter(gone_at=None).count()
    return [
        Gauge("licet_holds_open", "holds without an end", holds["number"]),
        Gauge("licet_holds_open_microusd", "money set aside", holds["amount"] or 0),
        Gauge("licet_holds_oldest_seconds", "age of the oldest", seconds(holds["oldest"], at)),
        Gauge("licet_wallets_posted_microusd", "what customers own", wallets["posted"] or 0),
        Gauge("licet_wallets_held_microusd", "what of it is set aside", wallets["held"] or 0),
        Gauge("licet_ledger_differences", "differences that nobody has explained", differences),
        *last_comparison(at),
    ]


def last_comparison(at: datetime) -> list[Metric]:
    """How long ago the ledger was compared; nothing before the first time."""
    last = ReconciliationRun.objects.order_by("-started_at").first()
    if last is None:
        return []
    age = seconds(last.started_at, at)
    return [Gauge("licet_ledger_compared_seconds", "since the last comparison", age)]


def seconds(since: datetime | None, at: datetime) -> float:
    """From ``since`` to ``at``; 0 where there is nothing."""
    return (at - since).total_seconds() if since else 0.0
