"""Hosts of one installation: processes of the product with a LICET_HOME each, in a network namespace each
where the machine allows one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from governance.stack.valkey import free_port
from tests.topology.servers import wait_until

ROOT = Path(__file__).resolve().parents[2]
START_S = 240.0
STOP_S = 60.0
# The same on every host, as docs/deploy.md asks for.
SECRETS = dict.fromkeys(
    (
        "LICET_SECRET_KEY",
        "LICET_API_KEY_PEPPER",
        "LICET_RECEIPT_KEY",
        "LICET_AUDIT_KEY",
        "LICET_PROVENANCE_KEY",
    ),
    "shared-by-the-hosts-of-a-test",
)


def commands(port: int, address: str, name: str) -> dict[str, list[str]]:
    """The processes of a host, as deploy/ starts them."""
    python = [sys.executable, "-m"]
    web = ["uvicorn", "governance.asgi:application", "--host", address, "--port", str(port)]
    engines = ["--pool", "threads", "--concurrency", "4", "--queues", "generation,housekeeping"]
    habits = ["--hostname", f"supervisor@{name}", "--without-gossip", "--without-mingle"]
    return {
        "web": [*python, *web, "--lifespan", "off", "--timeout-graceful-shutdown", "30"],
        "worker": [*python, "inference.worker", *engines, *habits, "--loglevel", "INFO"],
    }


@dataclass
class Host:
    """One host: ``address`` is its own, ``servers`` where it finds the servers."""

    name: str
    home: Path
    settings: dict[str, str]
    address: str = "127.0.0.1"
    servers: str = "127.0.0.1"
    enter: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its web process."""
        return f"http://{self.address}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What its processes are told; ``SERVERS`` in a setting stands for the servers' address."""
        own = {
            name: value.replace("SERVERS", self.servers) for name, value in self.settings.items()
        }
        hosts = f"127.0.0.1,localhost,{self.address}"
        return os.environ | SECRETS | own | {
            "LICET_HOME": str(self.home),
            "LICET_PORT": str(self.port),
            "LICET_ALLOWED_HOSTS": hosts,
            "LICET_RATE_LIMIT_KEY": "0",
            "LICET_RATE_LIMIT_ORGANIZATION": "0",
            "LICET_ENGINE_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "DJANGO_SETTINGS_MODULE": "governance.settings",
        }  # fmt: skip

    def start(self, kind: str) -> None:
        """Start one process."""
        self.home.mkdir(exist_ok=True)
        with (self.home / f"{kind}.log").open("ab") as log:
            self.running[kind] = subprocess.Popen(
                [*self.enter, *commands(self.port, self.address, self.name)[kind]],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def end(self, kind: str) -> int:
        """TERM, as an orderly stop; the exit status."""
        process = self.running.pop(kind)
        process.terminate()
        return process.wait(STOP_S)

    def kill(self) -> None:
        """Everything on the host ends at once, the engines too."""
        for process in self.running.values():
            os.killpg(process.pid, 9)
            process.wait()
        self.running.clear()

    def wait_web(self) -> None:
        """Until the web process takes orders."""
        wait_until(self.takes_orders, START_S, f"{self.name}: {self.said('web')}")

    def takes_orders(self) -> bool:
        """What a load balancer asks."""
        parts = "part=database&part=redis&part=gate"
        try:
            return httpx.get(f"{self.url}/readyz?{parts}", timeout=20).is_success
        except httpx.HTTPError:
            return False

    def said(self, kind: str) -> str:
        """The end of a process's log."""
        return (self.home / f"{kind}.log").read_text(errors="replace")[-3000:]

    def wait_engine(self, times: int) -> None:
        """Until this host's engine has been ready so many times."""
        log = self.home / "worker.log"
        wait_until(
            lambda: log.read_text(errors="replace").count("engine ready") >= times,
            START_S,
            f"no engine on {self.name}",
        )

    def manage(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a Python command as on this host."""
        return subprocess.run(
            [*self.enter, sys.executable, *command],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, *command: str) -> Any:
        """The JSON of the last line that a command prints. Raises AssertionError where it fails."""
        done = self.manage(*command)
        assert done.returncode == 0, f"{command}: {done.stdout[-500:]} {done.stderr[-3000:]}"
        return json.loads(done.stdout.strip().splitlines()[-1])
