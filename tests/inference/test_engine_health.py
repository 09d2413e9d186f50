"""The probe of an engine host."""

import socket
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.utils import OperationalError
from django.utils.timezone import now

from inference.management.commands import engine_health
from inference.models import EngineStatus

pytestmark = pytest.mark.django_db
HOST = socket.gethostname()


def report(worker: str, state: str, *, seconds_ago: float = 0) -> None:
    seen_at = now() - timedelta(seconds=seconds_ago)
    EngineStatus.objects.create(worker=worker, state=state, seen_at=seen_at)


def test_a_loading_engine_is_alive_but_not_ready() -> None:
    report(f"{HOST}:1:0", "starting")

    call_command("engine_health")
    with pytest.raises(CommandError, match="starting"):
        call_command("engine_health", ready=True)


def test_each_engine_of_the_worker_counts() -> None:
    report(f"{HOST}:1:0", "busy")
    report(f"{HOST}:1:1", "ready", seconds_ago=120)

    with pytest.raises(CommandError, match=f"{HOST}:1:1"):
        call_command("engine_health")


def test_what_an_earlier_worker_left_behind_does_not_count() -> None:
    report(f"{HOST}:1:0", "ready", seconds_ago=600)
    report(f"{HOST}:2:0", "ready")

    call_command("engine_health", ready=True)


def test_another_host_is_no_witness() -> None:
    report("elsewhere:1:0", "ready")

    with pytest.raises(CommandError, match="no engine of this host"):
        call_command("engine_health")


def test_a_lost_database_restarts_no_worker_but_makes_it_unready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(_host: str) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(engine_health, "engines_of_host", lost)

    call_command("engine_health")
    with pytest.raises(CommandError, match="does not answer"):
        call_command("engine_health", ready=True)
