"""A whole stack on a home of its own, and the processes of it that can be hit."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from governance.stack.valkey import free_port

ROOT = Path(__file__).resolve().parents[2]
START_S, STOP_S = 180, 60
# How each part is known among the processes of the home, by its command line.
PARTS = {
    "web": "uvicorn",
    "supervisor": "inference.worker",
    "engine": "inference.engine.process",
    "beat": "celery",
    "valkey": "valkey-server",
    "postgres": "bin/postgres",
}


class ChaosStack:
    """``manage.py up`` on an empty home; a context manager."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.sick: dict[str, str] = {}
        self.port = free_port()
        self.environment = {
            **os.environ,
            "LICET_HOME": str(home),
            "LICET_PORT": str(self.port),
            "LICET_RATE_LIMIT_KEY": "0",
            "LICET_RATE_LIMIT_ORGANIZATION": "0",
            "OMP_NUM_THREADS": "1",
        }

    def __enter__(self) -> "ChaosStack":
        self.log = (self.home / "up.log").open("w")
        self.up = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--json"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        assert self.up.stdout is not None
        line = self.up.stdout.readline()
        if not line:
            raise SystemExit(f"the stack did not start: {(self.home / 'up.log').read_text()}")
        self.facts: dict[str, str] = json.loads(line)
        return self

    def __exit__(self, *_: object) -> None:
        self.up.terminate()
        try:
            self.up.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.up.kill()
        self.log.close()

    @property
    def url(self) -> str:
        """Where the API answers."""
        return self.facts["url"]

    @property
    def key(self) -> str:
        """The demo organization's key."""
        return self.facts["api_key"]

    def processes(self, part: str) -> list[psutil.Process]:
        """The living processes of one part; of PostgreSQL the postmaster alone."""
        mark = PARTS[part]
        found = []
        for process in psutil.Process(self.up.pid).children(recursive=True):
            try:
                if mark in " ".join(process.cmdline()) and process.status() != "zombie":
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def is_ready(self) -> bool:
        """Whether every part is healthy; ``sick`` keeps what is not."""
        try:
            reply = httpx.get(f"{self.url}/readyz", timeout=10)
            checks = reply.json()["checks"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            self.sick = {"web": repr(error)}
            return False
        self.sick = {name: each["detail"] for name, each in checks.items() if not each["ok"]}
        return reply.status_code == 200

    def wait_ready(self) -> bool:
        """Until it is, at most three minutes."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self.is_ready():
                return True
            time.sleep(0.5)
        return False

    def database_url(self) -> str:
        """The address of the stack's PostgreSQL."""
        addresses = json.loads((self.home / "run" / "servers.json").read_text())
        return str(addresses["database_url"])

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a management command of this stack."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
