"""The proxy of `make chaos` does to a connection what it says."""

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from governance.stack.postgres import SOCKET_NAME
from tests.chaos.proxy import Proxy, Reader, Writer
from tests.chaos.wire import Statements

START = struct.pack("!ii", 8, 196608)
SSL = struct.pack("!ii", 8, 80877103)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


SIMPLE = message(b"Q", b"COMMIT\0")
EXTENDED = message(b"P", b"\0commit;\0\0\0")


@pytest.mark.parametrize("commit", [SIMPLE, EXTENDED])
@pytest.mark.parametrize("before", [START, SSL + START])
def test_a_commit_is_seen_however_it_is_sent_and_cut_into_pieces(
    commit: bytes, before: bytes
) -> None:
    sent = before + message(b"Q", b"INSERT INTO t VALUES ('COMMIT')\0") + commit
    whole, bytewise = Statements(), Statements()

    assert whole.commits_in(sent)
    seen = [bytewise.commits_in(sent[n : n + 1]) for n in range(len(sent))]
    assert seen == [False] * (len(sent) - 1) + [True]


def test_a_word_in_another_statement_is_no_commit() -> None:
    statements = Statements()

    assert not statements.commits_in(START + message(b"Q", b"SELECT 'COMMIT'\0"))
    assert not statements.commits_in(message(b"B", b"\0COMMIT\0"))


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Before the tests' PostgreSQL."""
    place = settings.DATABASES["default"]["HOST"]

    async def connect() -> tuple[Reader, Writer]:
        return await asyncio.open_unix_connection(str(Path(place) / SOCKET_NAME))

    made = Proxy(connect, speaks_postgres=True).start()
    yield made
    made.stop()


def connected(proxy: Proxy) -> psycopg.Connection:
    name = settings.DATABASES["default"]["NAME"]
    return psycopg.connect(f"host=127.0.0.1 port={proxy.port} user=postgres dbname={name}")


@pytest.fixture
def ledger(proxy: Proxy, db: None) -> Iterator[str]:
    """A table that is seen by every connection."""
    with connected(proxy) as line:
        line.execute("CREATE TABLE chaos_proxy (number int)")
    yield "chaos_proxy"
    with connected(proxy) as line:
        line.execute("DROP TABLE chaos_proxy")


def test_a_doomed_commit_takes_place_and_its_answer_is_lost(proxy: Proxy, ledger: str) -> None:
    line = connected(proxy)
    line.execute("INSERT INTO chaos_proxy VALUES (1)")
    proxy.lose_commits(1)

    with pytest.raises(psycopg.OperationalError):
        line.commit()

    line.close()
    with connected(proxy) as after:
        assert after.execute("SELECT number FROM chaos_proxy").fetchall() == [(1,)]
    assert proxy.lost_commits == 1


def test_a_cut_ends_every_connection_and_new_ones_pass(proxy: Proxy, db: None) -> None:
    line = connected(proxy)

    proxy.cut()

    with pytest.raises(psycopg.OperationalError):
        line.execute("SELECT 1")
    line.close()
    with connected(proxy) as after:
        assert after.execute("SELECT 1").fetchone() == (1,)
