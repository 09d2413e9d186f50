"""The servers of an installation on several hosts: PostgreSQL, Valkey, RabbitMQ and PgBouncer.

All listen on every address, so that network namespaces reach them; all stop with their test.
"""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from kombu import Connection

from governance.stack import postgres, valkey
from governance.stack.layout import Layout
from governance.stack.processes import Fate
from governance.stack.programs import postgres_programs
from governance.stack.valkey import free_port

READY_S = 90.0
REACHABLE = "host all,replication all 0.0.0.0/0 trust\n"
REPLICATING = ("wal_level=replica", "max_wal_senders=4", "hot_standby=on", "max_connections=150")
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def made(home: Path) -> Layout:
    """A folder for one server, open for passing: PostgreSQL is another user."""
    layout = Layout(home)
    layout.prepare()
    return layout


class Database(postgres.Postgres):
    """A durable PostgreSQL on a port."""

    def __init__(self, home: Path, *settings: str) -> None:
        self.port = free_port()
        listening = ("listen_addresses=*", f"port={self.port}", *REPLICATING)
        super().__init__(
            made(home), Fate(signal.SIGINT), (*postgres.DURABLE, *listening, *settings)
        )

    def serve(self) -> None:
        """Start and wait; a new cluster lets every address of the test in."""
        if not (self.data_folder() / "PG_VERSION").exists():
            self.initialize(postgres_programs(self.account), self.data_folder())
            with (self.data_folder() / "pg_hba.conf").open("a") as rules:
                rules.write(REACHABLE)
        self.start()
        self.wait_ready()

    def follow(self, primary: "Database", name: str) -> None:
        """Become the standby ``name`` of a running primary."""
        programs = postgres_programs(self.account)
        data = self.data_folder()
        postgres.parent_for(data, self.account)
        postgres.private_folder(data, self.account)
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name={name}"
        command = [str(programs / "pg_basebackup"), "--pgdata", str(data), "--dbname", source]
        self.run_tool([*command, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
        self.start()
        self.wait_standby()

    def wait_standby(self) -> None:
        """Until the standby answers."""
        until = time.monotonic() + READY_S
        while "standby" not in "".join(postgres.postmaster_lines(self.data_folder())):
            assert time.monotonic() < until, self.log.read_text()[-2000:]
            time.sleep(0.05)

    def promote(self) -> None:
        """The standby becomes the primary."""
        programs = postgres_programs(self.account)
        self.run_tool([str(programs / "pg_ctl"), "promote", "-w", "-D", str(self.data_folder())])

    def kill(self) -> None:
        """SIGKILL, as when its machine goes; its children leave with it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        postgres.await_backends(self.data_folder())


class Bells(valkey.Valkey):
    """A Valkey that every address reaches."""

    def __init__(self, home: Path) -> None:
        super().__init__(made(home), Fate(signal.SIGTERM), (*valkey.FAST, "bind *"))
        # Addresses are written down before it starts.
        self.port = free_port()

    def serve(self) -> None:
        """Start and wait."""
        self.start()
        self.wait_ready()


def require(program: str | Path, package: str) -> None:
    """Fail with the remedy where a server is not installed."""
    found = shutil.which(str(program))
    assert found, f"{program} is missing: apt-get install --no-install-recommends {package}"


class Rabbit:
    """A RabbitMQ of Debian's package, with its own data, ports and name daemon."""

    def __init__(self, home: Path) -> None:
        require(RABBITMQ, "rabbitmq-server")
        home.mkdir()
        self.home, self.port, self.names = home, free_port(), free_port()
        (home / "rabbitmq.conf").write_text("loopback_users = none\n")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ERL_EPMD_PORT": str(self.names),
            "RABBITMQ_NODENAME": f"licet-{os.getpid()}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Start and wait until it lets us in."""
        with (self.home / "out").open("wb") as log:
            self.process = subprocess.Popen(
                [str(RABBITMQ)], env=self.environment, stdout=log, stderr=log, process_group=0
            )
        until = time.monotonic() + READY_S
        while not self.lets_us_in():
            assert time.monotonic() < until, (self.home / "out").read_text()[-2000:]
            time.sleep(0.5)

    def lets_us_in(self) -> bool:
        """Whether a client may connect."""
        try:
            with Connection(self.url("127.0.0.1"), connect_timeout=2) as connection:
                connection.connect()
        except OSError:
            return False
        return True

    def url(self, host: str) -> str:
        """The broker's address as seen from a host."""
        return f"amqp://guest:guest@{host}:{self.port}//"

    def stop(self) -> None:
        """End the node, then its name daemon."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        subprocess.run(["epmd", "-kill"], env=self.environment, check=False, capture_output=True)


class Bouncer:
    """PgBouncer in transaction mode before a PostgreSQL."""

    def __init__(self, home: Path, database: Database) -> None:
        require("pgbouncer", "pgbouncer")
        home.mkdir(mode=0o755)
        self.home, self.port = home, free_port()
        self.user = pwd.getpwuid(database.uid).pw_name if database.uid else ""
        (home / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"licet = host=127.0.0.1 port={database.port} dbname=licet user=postgres\n"
            "[pgbouncer]\n"
            f"listen_addr = *\nlisten_port = {self.port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\n"
            "default_pool_size = 12\nmax_client_conn = 400\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def serve(self) -> None:
        """Start; clients wait for it by themselves."""
        as_user = {"user": self.user, "extra_groups": []} if self.user else {}
        with (self.home / "out").open("wb") as log:
            self.process = subprocess.Popen(
                ["pgbouncer", str(self.home / "pgbouncer.ini")], stdout=log, stderr=log, **as_user
            )

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def wait_until(holds: Callable[[], object], seconds: float, what: str) -> None:
    """Ask until it holds. Raises AssertionError with ``what``."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.2)
