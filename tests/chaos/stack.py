"""The stack under attack: `manage.py up` on a throw-away LICET_HOME, and who its processes are."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
READY_S = 300.0
STOP_S = 60.0
KINDS = ("web", "worker", "engine", "beat", "valkey", "postgres")


class Stack:
    """One running stack; ``close`` stops it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in OUTSIDE},
            "LICET_HOME": str(home),
            "LICET_PORT": str(self.port),
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

    def last_words(self) -> str:
        """The end of what the supervisor said."""
        return (self.home / "up.log").read_text(errors="replace")[-2000:]

    def find(self, kind: str) -> psutil.Process | None:
        """The process of one kind that runs now."""
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return None
        for process in family:
            try:
                if kind_of(process.name(), process.cmdline()) == kind:
                    return process
            except psutil.Error:
                continue
        return None

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a Python command against this stack."""
        return subprocess.run(
            [sys.executable, *command],
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


# Addresses of servers that are not this stack's own.
OUTSIDE = ("DATABASE_URL", "REDIS_URL", "LICET_BROKER_URL")


def kind_of(name: str, command: list[str]) -> str | None:
    """Which part of the stack a process is; None for helpers, such as PostgreSQL's backends."""
    line = " ".join(command)
    marks = {
        "web": "uvicorn governance.asgi",
        "worker": "-m inference.worker",
        "engine": "inference.engine.process",
        "beat": "governance beat",
    }
    if name == "postgres" and "-D" in command:
        return "postgres"
    if name.startswith("valkey"):
        return "valkey"
    return next((kind for kind, mark in marks.items() if mark in line), None)


def wait_for_kinds(stack: Stack, seconds: float) -> list[str]:
    """Wait until every part runs; which do not."""
    until = time.monotonic() + seconds
    while missing := [kind for kind in KINDS if stack.find(kind) is None]:
        if time.monotonic() > until or not stack.is_up():
            break
        time.sleep(0.2)
    return missing


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
