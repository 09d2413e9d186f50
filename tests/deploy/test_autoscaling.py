"""What autoscaling reads is what the exporter writes."""

import re

import pytest
from django.utils.timezone import now
from prometheus_client import CollectorRegistry, generate_latest

from governance.management.commands.metrics import State
from inference.models import EngineStatus
from tests.deploy.manifests import of_kind

SERIES = re.compile(r"licet_\w+(?:\{[^}]*\})?")


def trigger() -> dict:
    (only,) = of_kind("ScaledObject")["worker-gpu"]["spec"]["triggers"]
    return only


@pytest.mark.django_db
def test_every_series_of_the_query_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    # The test's transaction outlives a scrape.
    monkeypatch.setattr(
        "governance.management.commands.metrics.close_old_connections", lambda: None
    )
    EngineStatus.objects.create(worker="here", state="ready", seen_at=now(), gflop_per_second=5)
    registry = CollectorRegistry()
    registry.register(State())

    exported = generate_latest(registry).decode()

    read = SERIES.findall(trigger()["metadata"]["query"])
    assert "licet_backlog_seconds" in read
    for series in read:
        assert re.search(rf"^{re.escape(series)} ", exported, re.MULTILINE), series


def test_backlog_is_compared_as_it_is_for_it_counts_the_engines_already() -> None:
    assert trigger()["metricType"] == "Value"


def test_it_scales_the_engines_and_never_to_none() -> None:
    spec = of_kind("ScaledObject")["worker-gpu"]["spec"]

    assert spec["scaleTargetRef"]["name"] in of_kind("Deployment")
    assert spec["minReplicaCount"] >= 1
    assert "replicas" not in of_kind("Deployment")["worker-gpu"]["spec"]


def test_while_no_speed_is_known_the_number_of_engines_stays() -> None:
    metadata = trigger()["metadata"]
    held = re.search(r"clamp_max\(.*, (\d+)\)$", metadata["query"])

    assert held is not None
    assert held.group(1) == metadata["threshold"]
