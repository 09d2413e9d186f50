"""Two web processes and two workers on one database and broker, each replaced in turn while orders come."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.clients import Crowd, wishes
from tests.topology.books import require_kept
from tests.topology.hosts import Host
from tests.topology.servers import Bells, Database, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1500)]
JOBS, CLIENTS, SEED = 200, 8, 10
DONE_S = 600.0


@pytest.fixture
def hosts(homes: Path) -> Iterator[list[Host]]:
    """Two hosts that serve."""
    database, bells = Database(homes / "database"), Bells(homes / "bells")
    made: list[Host] = []
    try:
        database.serve()
        bells.serve()
        settings = {
            "DATABASE_URL": f"postgresql://postgres@SERVERS:{database.port}/licet",
            "REDIS_URL": f"redis://:{bells.password}@SERVERS:{bells.port}/0",
            "BROKER_URL": "",
            "LICET_BLOB_ROOT": str(homes / "blobs"),
        }
        made += [Host(name, homes / name, settings) for name in ("a", "b")]
        assert made[0].manage("manage.py", "migrate", "--no-input").returncode == 0
        for host in made:
            for kind in ("web", "worker"):
                host.start(kind)
        for host in made:
            host.wait_web()
            host.wait_engine(1)
        yield made
    finally:
        for host in made:
            host.kill()
        bells.stop()
        database.stop()


def replace_each(hosts: list[Host], crowd: Crowd) -> list[tuple[str, int]]:
    """Workers and web processes one after the other, while orders come; how they ended."""
    statuses = []
    for turn, host in enumerate(hosts):
        crowd.allow((turn + 0.5) / len(hosts))
        wait_until(lambda: crowd.share_done() > turn / len(hosts), DONE_S, "nothing is done")  # noqa: B023
        statuses.append(("worker", host.end("worker")))
        host.start("worker")
        host.wait_engine(2)
        crowd.allow((turn + 0.9) / len(hosts))
        statuses.append(("web", host.end("web")))
        host.start("web")
        host.wait_web()
    return statuses


def test_no_job_is_lost_or_charged_twice_and_none_loses_an_attempt(
    hosts: list[Host], homes: Path
) -> None:
    keys = hosts[0].ask("-m", "inference.benchmarks.world", "3")
    crowd = Crowd([host.url for host in hosts], keys, wishes(JOBS, SEED, "64x64"), CLIENTS)
    crowd.start()

    statuses = replace_each(hosts, crowd)
    crowd.allow(1.0)
    wait_until(lambda: not crowd.is_busy(), DONE_S, "clients still wait")

    # A worker ends by itself; uvicorn, when it has served its requests, by the signal that it was sent.
    assert statuses == [("worker", 0), ("web", -signal.SIGTERM)] * len(hosts)
    assert crowd.troubles.keys() <= {(503, True)}
    found = require_kept(hosts[0], crowd, homes)
    assert found["states"].keys() <= {"succeeded", "blocked"}
    assert found["attempts"].keys() == {"1"}
