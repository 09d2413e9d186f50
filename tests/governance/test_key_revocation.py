"""A revoked key stops within one second in every web process."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from django.db import connection
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.operations.api_keys import CreatedKey, revoke_api_key
from governance.settings import DATABASE_URL

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2
PATIENCE_S = 90

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def web_processes(transactional_db: None) -> Iterator[list[str]]:
    """Web processes of their own on the test's database, as behind a load balancer."""
    name = str(connection.settings_dict["NAME"])
    before, _, after = DATABASE_URL.partition("/licet_")
    _, question, query = after.partition("?")
    environment = {**os.environ, "DATABASE_URL": f"{before}/{name}{question}{query}"}
    with ExitStack() as stack:
        addresses = []
        for _ in range(PROCESSES):
            port = free_port()
            command = [sys.executable, "-m", "uvicorn", "governance.asgi:application"]
            process = subprocess.Popen(
                [*command, "--port", str(port), "--lifespan", "off", "--log-level", "warning"],
                cwd=ROOT,
                env=environment,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            addresses.append(f"http://127.0.0.1:{port}")
        for address in addresses:
            wait_for(address)
        yield addresses


def wait_for(address: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_up(address):
        assert time.monotonic() < until, f"{address} does not start"
        time.sleep(0.1)


def is_up(address: str) -> bool:
    try:
        answer = httpx.get(f"{address}/healthz", timeout=PATIENCE_S)
    except httpx.TransportError:
        return False
    return answer.is_success


def status_of(address: str, key: CreatedKey) -> int:
    answer = httpx.get(
        f"{address}/v1/models",
        headers={"Authorization": f"Bearer {key.secret}"},
        timeout=PATIENCE_S,
    )
    return answer.status_code


def test_a_revoked_key_stops_in_every_process_at_once(
    web_processes: list[str], api_key: CreatedKey
) -> None:
    before = [status_of(address, api_key) for address in web_processes]

    revoke_api_key(
        key_id=api_key.key.id,
        organization_id=api_key.key.organization_id,
        actor=SYSTEM,
        at=now(),
    )
    # Asked right after the commit: nothing keeps a key that was valid a moment ago.
    after = [status_of(address, api_key) for address in web_processes]

    assert before == [200] * PROCESSES
    assert after == [401] * PROCESSES
