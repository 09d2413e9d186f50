"""Figures for Prometheus: what the gate decided lately, and how long its classifiers took."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Count

from governance.kernel.ids import first_uuid7
from governance.kernel.registry import Gauge, Metric
from moderation.kernel.outcomes import Outcome
from moderation.models import Decision, VerdictRow

LATELY = timedelta(minutes=5)
STAGES = ("input", "media", "output")
DECIDED, ABOUT_DECIDED = "licet_gate_decisions_5m", "decisions of the last five minutes"
LATENCY, ABOUT_LATENCY = "licet_gate_latency_seconds_5m", "classifiers' latency in five minutes"
FAILED, ABOUT_FAILED = (
    "licet_gate_failed_verdicts_5m",
    "classifiers without an answer in five minutes",
)
# By the primary key, whose first bits are the time: no index of its own, no scan.
LATENCIES = """
SELECT detector, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY latency_ms)
FROM moderation_verdict WHERE id >= %s AND status = 'done' GROUP BY detector
"""


def gate_metrics(at: datetime) -> list[Metric]:
    """Decisions by stage and outcome, failures and latencies by classifier."""
    since = first_uuid7(at - LATELY)
    return [*decided(since), *failed(since), *latencies(since)]


def decided(since: UUID) -> list[Metric]:
    """How many decisions of each kind; 0 where there was none."""
    rows = (
        Decision.objects.filter(id__gte=since).values_list("stage", "outcome").annotate(Count("id"))
    )
    counted = {(stage, str(outcome)): 0 for stage in STAGES for outcome in Outcome}
    counted |= {(stage, outcome): number for stage, outcome, number in rows}
    return [
        Gauge(DECIDED, ABOUT_DECIDED, number, {"stage": stage, "outcome": outcome})
        for (stage, outcome), number in counted.items()
    ]


def failed(since: UUID) -> list[Metric]:
    """How often a classifier gave no answer, all of them together."""
    number = VerdictRow.objects.filter(id__gte=since, status="failed").count()
    return [Gauge(FAILED, ABOUT_FAILED, number)]


def latencies(since: UUID) -> list[Metric]:
    """Median and 95th percentile of each classifier that answered, s."""
    with connection.cursor() as cursor:
        cursor.execute(LATENCIES, [since])
        rows = cursor.fetchall()
    return [
        Gauge(LATENCY, ABOUT_LATENCY, milliseconds / 1000, {"detector": name, "quantile": quantile})
        for name, values in rows
        for quantile, milliseconds in zip(("0.5", "0.95"), values, strict=True)
    ]
