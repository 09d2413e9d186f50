"""``manage.py metrics``: Prometheus reads the state of this installation at an address of its own."""

import threading
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections
from django.utils.timezone import now
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from governance.kernel.registry import Counter, Histogram, Metric
from governance.operations.metrics import metrics_now

PORT = 9464


class State(Collector):
    """Asks the database at each scrape, so that nothing is counted twice or forgotten at a restart."""

    def describe(self) -> list[Family]:
        """Nothing is known before the first scrape."""
        return []

    def collect(self) -> Iterator[Family]:
        """One family for each name."""
        close_old_connections()
        families: dict[str, Family] = {}
        for metric in metrics_now(at=now()):
            add(families, metric)
        yield from families.values()


def add(families: dict[str, Family], metric: Metric) -> None:
    """``metric`` to the family of its name and kind."""
    names, values = list(metric.labels), list(metric.labels.values())
    made: Family
    if isinstance(metric, Histogram):
        made = HistogramMetricFamily(metric.name, metric.about, labels=names)
        family = families.setdefault(metric.name, made)
        family.add_metric(values, list(metric.buckets.items()), metric.total)  # type: ignore[attr-defined]
        return
    kind = CounterMetricFamily if isinstance(metric, Counter) else GaugeMetricFamily
    family = families.setdefault(metric.name, kind(metric.name, metric.about, labels=names))
    family.add_metric(values, metric.value)  # type: ignore[attr-defined]


class Command(BaseCommand):
    """Not in the web process: a scrape never waits for a customer's request, nor a customer for it."""

    help = "Serve Prometheus metrics until stopped."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen; only this machine by default."""
        parser.add_argument("--address", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=PORT)

    def handle(self, **options: Any) -> None:
        """Serve."""
        registry = CollectorRegistry()
        registry.register(State())
        start_http_server(options["port"], addr=options["address"], registry=registry)
        self.stdout.write(f"http://{options['address']}:{options['port']}/metrics")
        self.stdout.flush()
        threading.Event().wait()
