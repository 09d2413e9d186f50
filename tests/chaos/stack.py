"""The stack under attack: `manage.py up` on a throw-away LICET_HOME behind proxies, and its processes."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from governance.stack.layout import Layout
from governance.stack.valkey import free_port
from tests.chaos.servers import Attacked, Blobs

ROOT = Path(__file__).resolve().parents[2]
READY_S = 300.0
STOP_S = 60.0
KINDS = ("web", "worker", "engine", "beat", "valkey", "postgres")


class Stack:
    """One running stack; ``close`` stops it."""

    def __init__(self, home: Path, tell: Callable[[str], None]) -> None:
        self.home = home
        self.port = free_port()
        self.attacked = Attacked(home, tell)
        self.blobs = Blobs(home)
        # The demo's past is thousands of rows that nobody looks at here.
        Layout(home).history.write_text("{}")
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in OUTSIDE},
            "LICET_HOME": str(home),
            "LICET_PORT": str(self.port),
            **self.attacked.environment(),
            "LICET_BLOB_ROOT": str(self.blobs.folder),
            "LICET_RATE_LIMIT_KEY": "0",
            "LICET_RATE_LIMIT_ORGANIZATION": "0",
        }
        with (home / "up.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--json"],
                cwd=ROOT,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.url = self.wait_ready()["url"]

    def wait_ready(self) -> dict[str, str]:
        """What the stack announces. Raises SystemExit where it does not come up."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], READY_S)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.close()
            raise SystemExit(f"the stack did not come up: {self.last_words()}")
        announced: dict[str, str] = json.loads(line)
        return announced

    def is_up(self) -> bool:
        """Whether the supervisor itself still runs; it is never killed."""
        return self.process.poll() is None

    def readyz(self) -> list[str]:
        """The parts that /readyz says are not healthy; empty: all are."""
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=20)
            checks = {} if answer.is_success else answer.json()["checks"]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            return [f"web: {error!r}"]
        return [f"{name}: {each['detail']}" for name, each in checks.items() if not each["ok"]]

    def last_words(self) -> str:
        """The end of what the supervisor said."""
        return (self.home / "up.log").read_text(errors="replace")[-2000:]

    def find(self, kind: str) -> psutil.Process | None:
        """The process of one kind that runs now."""
        if kind in {"postgres", "valkey"}:
            return self.find_server(kind)
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        for process in family:
            try:
                if kind_of(process.cmdline()) == kind:
                    return process
            except psutil.Error:
                continue
        return None

    def find_server(self, kind: str) -> psutil.Process | None:
        """PostgreSQL or Valkey."""
        server = self.attacked.postgres if kind == "postgres" else self.attacked.valkey
        if server.process is None or server.process.poll() is not None:
            return None
        return psutil.Process(server.process.pid)

    def run(
        self, *command: str, before: tuple[str, ...] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """Run a Python command against this stack, ``before`` being a program that starts it."""
        return subprocess.run(
            [*before, sys.executable, *command],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, *command: str) -> Any:
        """The JSON of the last line that a command prints. Raises RuntimeError where it fails."""
        done = self.run(*command)
        if done.returncode != 0:
            raise RuntimeError(f"{command} failed: {done.stdout[-500:]} {done.stderr[-2000:]}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def close(self) -> None:
        """Stop everything in order."""
        if self.is_up():
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.attacked.close()
        self.blobs.close()


# Addresses of servers that are not this stack's own.
OUTSIDE = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "LICET_BLOB_ROOT")


def kind_of(command: list[str]) -> str | None:
    """Which part of the stack a process is; None for helpers."""
    line = " ".join(command)
    marks = {
        "web": "uvicorn governance.asgi",
        "worker": "-m inference.worker",
        "engine": "inference.engine.process",
        "beat": "governance beat",
    }
    return next((kind for kind, mark in marks.items() if mark in line), None)


def wait_for_kinds(stack: Stack, seconds: float) -> list[str]:
    """Wait until every part runs; which do not."""
    until = time.monotonic() + seconds
    while missing := [kind for kind in KINDS if stack.find(kind) is None]:
        if time.monotonic() > until or not stack.is_up():
            break
        time.sleep(0.2)
    return missing
