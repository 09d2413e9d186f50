"""What Prometheus reads."""

import pytest
from django.utils.timezone import now
from prometheus_client import CollectorRegistry, generate_latest

from governance.management.commands.metrics import State
from governance.operations import examining_servers
from governance.operations.beats import note_tick
from inference.models import EngineStatus

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def connection_stays(monkeypatch):
    """The test's transaction outlives a scrape."""
    monkeypatch.setattr(
        "governance.management.commands.metrics.close_old_connections", lambda: None
    )


def scrape() -> list[str]:
    registry = CollectorRegistry()
    registry.register(State())
    return generate_latest(registry).decode().splitlines()


def test_each_part_has_its_health_and_jobs_and_engines_are_counted():
    note_tick(at=now())
    EngineStatus.objects.create(worker="here", state="ready", seen_at=now())

    lines = scrape()

    assert 'licet_part_health{part="database"} 0.0' in lines
    assert 'licet_part_health{part="beat"} 0.0' in lines
    assert 'licet_jobs_open{state="queued"} 0.0' in lines
    assert 'licet_engines{state="ready"} 1.0' in lines


def test_parts_that_take_long_to_examine_are_left_out():
    text = "\n".join(scrape())

    assert 'part="model"' not in text
    assert 'part="gate"' not in text


def test_a_silent_database_is_told_and_the_scrape_still_answers(monkeypatch):
    def silent() -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(examining_servers.connection, "cursor", silent)

    lines = scrape()

    assert 'licet_part_health{part="database"} 2.0' in lines
    assert not any(line.startswith("licet_jobs_open") for line in lines)


def test_no_label_names_a_tenant(organization):
    assert str(organization.id) not in "\n".join(scrape())
