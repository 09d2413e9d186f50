"""One live server for these tests, and tenants to talk to it with real clients."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from psycopg import sql

from governance.stack.processes import leash
from tests.conftest import HAND_OVER, ROOT, administer, with_database

START_S = 240
WAIT_S = 60
# What the running test has opened: sockets that are left to the garbage collector fail the run.
to_close: list[Callable[[], None]] = []


@dataclass(frozen=True)
class Tenant:
    """One organization's key at the live server."""

    base: str
    key: str
    organization: str

    @property
    def v1(self) -> str:
        """The base URL as OpenAI's clients want it."""
        return f"{self.base}/v1"

    @property
    def headers(self) -> dict[str, str]:
        """For plain HTTP."""
        return {"Authorization": f"Bearer {self.key}"}

    def http(self, **headers: str) -> httpx.Client:
        """A plain client with the key, closed when the test ends."""
        client = httpx.Client(
            base_url=self.base, headers={**self.headers, **headers}, timeout=WAIT_S
        )
        to_close.append(client.close)
        return client

    def books(self) -> dict[str, Any]:
        """Jobs, holds and money of this organization."""
        reply = httpx.get(
            f"{self.base}/_test/books", params={"organization": self.organization}, timeout=WAIT_S
        )
        found: dict[str, Any] = reply.json()
        return found

    def books_when(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The books as soon as ``condition`` holds for them."""
        until = time.monotonic() + WAIT_S
        while not condition(found := self.books()):
            assert time.monotonic() < until, f"still {found}"
            time.sleep(0.05)
        return found


class Live:
    """The running server and its controls."""

    def __init__(self, base: str) -> None:
        self.base = base

    def tenant(self, **wishes: Any) -> Tenant:
        """A new organization; ``dollars``, ``mode``, ``eligible``, ``scopes`` as wished."""
        made = httpx.post(f"{self.base}/_test/tenant", json=wishes, timeout=WAIT_S)
        assert made.status_code == 200, made.text
        return Tenant(self.base, **made.json())

    def tell(self, what: str, **orders: Any) -> None:
        """``engine`` (go, refuses) or ``faults`` (lost_replies, cut_after_pieces)."""
        httpx.post(f"{self.base}/_test/{what}", json=orders, timeout=WAIT_S).raise_for_status()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """uvicorn with the product and a supervisor with a sketching engine, on a database of its own."""
    folder = tmp_path_factory.mktemp("live")
    port = free_port()
    log = folder / "log"
    process = start(port, log, folder)
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until_ready(base, process, log)
        yield Live(base)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def live(server: Live) -> Iterator[Live]:
    """The server, with nothing broken and the engine going; the same again afterwards."""
    yield server
    while to_close:
        to_close.pop()()
    server.tell("engine", go=True)
    server.tell("faults", lost_replies=0, cut_after_pieces=None)


@pytest.fixture
def tenant(live: Live) -> Tenant:
    """A tenant with ten dollars and a live key."""
    return live.tenant()


def start(port: int, log: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """The server's process; the kernel ends it with ours."""
    environment = {
        **os.environ,
        "DATABASE_URL": own_database(),
        "LICET_HOME": str(folder),
        "LICET_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "OMP_NUM_THREADS": "1",
    }
    with log.open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.inference.live.stack", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=sink,
            stderr=sink,
            preexec_fn=leash(signal.SIGKILL),  # noqa: PLW1509 (no thread runs here)
        )


def own_database() -> str:
    """A copy of the migrated template, dropped with the run's other databases; with a pool."""
    url = os.environ[HAND_OVER]
    name = f"test_licet_{os.environ['LICET_TEST_RUN']}_live_{os.getpid()}"
    with administer(url) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(os.environ["LICET_TEST_TEMPLATE"])
            )
        )
    parts = urlsplit(with_database(url, name))
    return urlunsplit(parts._replace(query=parts.query.replace("pool=off", "")))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(base: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until the server answers; with its own words if it ends."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            httpx.get(f"{base}/healthz", timeout=5)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the live server did not answer within {START_S} s:\n{log.read_text()[-4000:]}")
