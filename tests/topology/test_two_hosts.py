"""Two hosts, each with a web process and an engine, in network namespaces of their own; doorbells through
RabbitMQ, the database through PgBouncer in transaction mode. One host is killed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.chaos.clients import Crowd, wishes
from tests.topology.books import require_kept
from tests.topology.hosts import Host
from tests.topology.networks import network_of
from tests.topology.servers import Bells, Bouncer, Database, Rabbit, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1500)]
JOBS, CLIENTS, SEED = 120, 8, 30
DONE_S = 600.0
# A pooler in transaction mode carries no session parameters; the role has them (docs/deploy.md).
ROLE = (
    "ALTER ROLE postgres SET statement_timeout = '30s'",
    "ALTER ROLE postgres SET lock_timeout = '10s'",
    "ALTER ROLE postgres SET timezone = 'UTC'",
)


@dataclass
class Installation:
    """Two hosts on shared servers; ``direct`` reaches PostgreSQL past the pooler."""

    hosts: list[Host]
    direct: dict[str, str]
    database: Database


def say(database: Database, *statements: str) -> None:
    """Run statements on the server itself."""
    address = f"host=127.0.0.1 port={database.port} user=postgres dbname=licet"
    with psycopg.connect(address, autocommit=True) as line:
        for statement in statements:
            line.execute(statement)


@pytest.fixture
def installation(homes: Path) -> Iterator[Installation]:
    """Servers on this machine, hosts in networks of their own where it allows that."""
    database, bells = Database(homes / "database"), Bells(homes / "bells")
    rabbit, bouncer = Rabbit(homes / "rabbit"), Bouncer(homes / "bouncer", database)
    networks = [network_of(number) for number in (1, 2)]
    shared = {
        "REDIS_URL": f"redis://:{bells.password}@SERVERS:{bells.port}/0",
        "BROKER_URL": rabbit.url("SERVERS"),
        "LICET_BLOB_ROOT": str(homes / "blobs"),
    }
    pooled = f"postgresql://postgres@SERVERS:{bouncer.port}/licet?pool=transaction"
    direct = shared | {"DATABASE_URL": f"postgresql://postgres@SERVERS:{database.port}/licet"}
    hosts = [
        Host(name, homes / name, shared | {"DATABASE_URL": pooled}, net.address, net.outside, net.enter)
        for name, net in zip("ab", networks, strict=True)
    ]  # fmt: skip
    try:
        for server in (database, bells, rabbit, bouncer):
            server.serve()
        say(database, *ROLE)
        migrating = Host("migrate", homes / "migrate", direct)
        assert migrating.manage("manage.py", "migrate", "--no-input").returncode == 0
        for host in hosts:
            host.start("web")
            host.start("worker")
        for host in hosts:
            host.wait_web()
            host.wait_engine(1)
        yield Installation(hosts, direct, database)
    finally:
        for host in hosts:
            host.kill()
        for network in networks:
            network.remove()
        for server in (bouncer, rabbit, bells, database):
            server.stop()


def test_both_hosts_serve_and_the_jobs_of_a_killed_host_are_finished_by_the_other(
    installation: Installation, homes: Path
) -> None:
    first, second = installation.hosts
    keys = first.ask("-m", "inference.benchmarks.world", "3")
    crowd = Crowd([first.url, second.url], keys, wishes(JOBS, SEED, "64x64"), CLIENTS)
    crowd.allow(1.0)
    crowd.start()
    wait_until(lambda: crowd.share_done() >= 0.3, DONE_S, second.said("worker"))

    first.kill()
    at_kill = crowd.share_done()
    wait_until(lambda: not crowd.is_busy(), DONE_S, "clients still wait")

    assert at_kill < 0.9
    checker = Host("check", homes / "check", installation.direct)
    found = require_kept(checker, crowd, homes)
    assert found["states"].keys() <= {"succeeded", "blocked"}
    assert "attempt 1)" in first.said("worker"), "the killed host had drawn nothing"
    assert "attempt 1)" in second.said("worker")
