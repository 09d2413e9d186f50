"""A stack of its own for a benchmark: durable PostgreSQL, Valkey, tenants with money, web processes."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from governance.stack.layout import Layout
from governance.stack.postgres import Postgres
from governance.stack.processes import Fate
from governance.stack.servers import Servers
from governance.stack.valkey import Valkey

ROOT = Path(__file__).resolve().parents[2]
READY_S = 300


class Home:
    """One LICET_HOME with its servers; ``close`` stops everything that was started."""

    def __init__(self, folder: Path, *, tenants: int) -> None:
        layout = Layout(folder)
        layout.prepare()
        self.folder = folder
        self.servers = Servers(layout, Postgres(layout, Fate(None)), Valkey(layout, Fate(None)))
        self.port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        self.tenants = tenants
        self.keys: list[str] = []

    def open(self) -> None:
        """Start the servers, migrate, make tenants."""
        self.servers.start()
        self._manage("migrate", "--no-input", "-v", "0")
        made = subprocess.run(  # noqa: S603 (our own module)
            [sys.executable, "-m", "inference.benchmarks.world", str(self.tenants)],
            cwd=ROOT, env=self.environment(), check=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.keys = json.loads(made.stdout.splitlines()[-1])

    def environment(self) -> dict[str, str]:
        """What the processes of this home need."""
        addresses = self.servers.addresses()
        return {
            **os.environ,
            "LICET_HOME": str(self.folder),
            "LICET_PORT": str(self.port),
            "DATABASE_URL": addresses["database_url"],
            "REDIS_URL": addresses["redis_url"],
            "LICET_RATE_LIMIT_KEY": "0",
            "LICET_RATE_LIMIT_ORGANIZATION": "0",
            "LICET_LOG_LEVEL": "WARNING",
            "OMP_NUM_THREADS": "1",
            "DJANGO_SETTINGS_MODULE": "governance.settings",
        }

    def serve(self, *, workers: int, concurrency: int) -> None:
        """Start the web processes and wait until they answer."""
        command = [
            sys.executable, "-m", "uvicorn", "governance.asgi:application", "--host", "127.0.0.1",
            "--port", str(self.port), "--workers", str(workers), "--lifespan", "off",
            "--limit-concurrency", str(concurrency), "--no-access-log", "--log-level", "warning",
        ]  # fmt: skip
        self.start(command, self.environment(), "web")
        wait_for(self.port)

    def start(self, command: list[str], environment: dict[str, str], log: str) -> int:
        """Start a program whose output goes to a log of this home; returns its process id."""
        with (self.folder / f"{log}.log").open("wb") as sink:
            process = subprocess.Popen(  # noqa: S603 (our own commands)
                command, cwd=ROOT, env=environment, stdout=sink, stderr=sink
            )
        self.processes.append(process)
        return process.pid

    def close(self) -> None:
        """Stop every program, then the servers."""
        for process in reversed(self.processes):
            stop_tree(process)
        self.servers.stop()

    def server_pids(self) -> list[int]:
        """PostgreSQL and Valkey, whose work counts as ours."""
        return [server.process.pid for server in self.servers.each() if server.process is not None]

    def _manage(self, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment(), check=True
        )


def stop_tree(process: "subprocess.Popen[bytes]") -> None:
    """Terminate a process and its children; kill what is left after ten seconds."""
    try:
        family = [
            *psutil.Process(process.pid).children(recursive=True),
            psutil.Process(process.pid),
        ]
    except psutil.NoSuchProcess:
        return
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=10)
    for each in alive:
        each.kill()


class Meter:
    """CPU seconds and memory of processes and their children."""

    def __init__(self, pids: list[int]) -> None:
        self.pids = pids

    def cpu_s(self) -> float:
        """CPU time so far, user and system, s."""
        spent = [each.cpu_times() for each in self.family()]
        return float(sum(times.user + times.system for times in spent))

    def memory_mb(self) -> float:
        """Resident memory less what the processes share, MB."""
        return float(sum(each.memory_full_info().uss for each in self.family())) / 1e6

    def family(self) -> list[psutil.Process]:
        """The processes that are alive."""
        found: dict[int, psutil.Process] = {}
        for pid in self.pids:
            if psutil.pid_exists(pid):
                root = psutil.Process(pid)
                found |= {each.pid: each for each in [root, *root.children(recursive=True)]}
        return list(found.values())


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, seconds: float = READY_S) -> None:
    """Until something accepts connections at ``port``. Raises SystemExit."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise SystemExit(f"nothing listens on port {port} after {seconds:.0f} s")
