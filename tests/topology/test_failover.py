"""PostgreSQL's primary dies under load, its synchronous standby takes over: nothing acknowledged is lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.chaos.clients import Crowd, wishes
from tests.topology.books import require_kept
from tests.topology.hosts import Host
from tests.topology.servers import Bells, Database, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1500)]
JOBS, CLIENTS, SEED = 150, 8, 20
DONE_S = 600.0
SYNCHRONOUS = "ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (standby)'"
STATE = "SELECT sync_state FROM pg_stat_replication"


@dataclass
class Installation:
    """A host, and the two databases behind it."""

    host: Host
    primary: Database
    standby: Database


def ask(database: Database, *statements: str) -> list[tuple[object, ...]]:
    """Run statements on one server; the rows of the last."""
    address = f"host=127.0.0.1 port={database.port} user=postgres dbname=licet"
    with psycopg.connect(address, autocommit=True) as line:
        for statement in statements:
            found = line.execute(statement)
        return found.fetchall()


def begin_replication(primary: Database, standby: Database) -> None:
    """From now on a commit is acknowledged when the standby has it on disk."""
    standby.follow(primary, "standby")
    ask(primary, SYNCHRONOUS, "SELECT pg_reload_conf()")
    wait_until(lambda: ask(primary, STATE) == [("sync",)], 60, "the standby does not follow")


@pytest.fixture
def installation(homes: Path) -> Iterator[Installation]:
    """One host that knows both databases."""
    primary, standby = Database(homes / "primary"), Database(homes / "standby")
    bells = Bells(homes / "bells")
    ports = f"{primary.port},{standby.port}"
    settings = {
        "DATABASE_URL": "postgresql://postgres@/licet?host=SERVERS,SERVERS"
        f"&port={ports}&target_session_attrs=read-write",
        "REDIS_URL": f"redis://:{bells.password}@SERVERS:{bells.port}/0",
        "BROKER_URL": "",
        "LICET_BLOB_ROOT": str(homes / "blobs"),
    }
    host = Host("a", homes / "a", settings)
    try:
        primary.serve()
        bells.serve()
        begin_replication(primary, standby)
        assert host.manage("manage.py", "migrate", "--no-input").returncode == 0
        for kind in ("web", "worker"):
            host.start(kind)
        host.wait_web()
        host.wait_engine(1)
        yield Installation(host, primary, standby)
    finally:
        host.kill()
        for server in (bells, standby, primary):
            server.stop()


def test_nothing_that_was_acknowledged_is_lost_when_the_primary_dies(
    installation: Installation, homes: Path
) -> None:
    host = installation.host
    keys = host.ask("-m", "inference.benchmarks.world", "3")
    crowd = Crowd([host.url], keys, wishes(JOBS, SEED, "64x64"), CLIENTS)
    crowd.allow(1.0)
    crowd.start()
    wait_until(lambda: crowd.share_done() >= 0.3, DONE_S, "no job is done")

    installation.primary.kill()
    installation.standby.promote()
    at_failover = crowd.share_done()
    wait_until(lambda: not crowd.is_busy(), DONE_S, "clients still wait")

    assert at_failover < 0.9
    assert crowd.troubles.keys() <= {(503, True)}
    assert ask(installation.standby, "SELECT pg_is_in_recovery()") == [(False,)]
    found = require_kept(host, crowd, homes)
    assert found["states"].keys() <= {"succeeded", "blocked"}
