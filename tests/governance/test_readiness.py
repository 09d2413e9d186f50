"""What /readyz says, whole and in part."""

import pytest
from django.test import Client

from governance.kernel.registry import HealthCheck, health_checks


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise RuntimeError("no engine is ready")

    items = {
        "database": HealthCheck("database", lambda: "fine"),
        "engine": HealthCheck("engine", broken),
    }
    monkeypatch.setattr(health_checks, "items", items)


def test_the_whole_is_not_ready_without_an_engine(client: Client) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"]["engine"] == {"ok": False, "detail": "no engine is ready"}


def test_a_load_balancer_may_ask_for_the_parts_that_a_web_process_needs(client: Client) -> None:
    answer = client.get("/readyz?part=database")

    assert answer.status_code == 200
    assert list(answer.json()["checks"]) == ["database"]


def test_a_part_that_nobody_knows_is_not_ready(client: Client) -> None:
    answer = client.get("/readyz?part=database&part=databse")

    assert answer.status_code == 503
    assert answer.json()["checks"]["databse"]["ok"] is False
