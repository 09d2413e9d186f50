"""An embedded PostgreSQL on a Unix socket: no port, nothing reachable from outside."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil

from governance.stack.accounts import Account, may_pass, private_folder, server_account
from governance.stack.errors import StackError
from governance.stack.layout import Layout
from governance.stack.processes import Fate, Footprint, identity, last_line, start, stop
from governance.stack.programs import POSTGRES_MAJOR, data_folder_outside, postgres_programs

DATABASE = "licet"
READY_S = 90.0
BACKENDS_S = 5.0
# Linux allows 107 bytes for a socket's path, macOS 103.
SOCKET_PATH_BYTES = 100
SOCKET_NAME = ".s.PGSQL.5432"
DURABLE = ("fsync=on", "synchronous_commit=on")
# For tests only: the data is thrown away anyway.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")
COMMON = (
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "wal_level=minimal",
    "max_wal_senders=0",
    "logging_collector=off",
    "log_line_prefix=%m [%p] ",
)
# "Fast" first (it tells the clients), then "immediate" (recovers at the next start), then by force.
STOP_SIGNALS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


@dataclass
class Postgres:
    """The PostgreSQL of one LICET_HOME."""

    layout: Layout
    fate: Fate
    settings: tuple[str, ...] = DURABLE
    process: "subprocess.Popen[bytes] | None" = None
    account: Account | None = field(default_factory=server_account)
    syncing: "subprocess.Popen[bytes] | None" = None

    name = "PostgreSQL"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.layout.log("postgres")

    def start(self) -> None:
        """Begin to start the server; ``wait_ready`` waits. Raises StackError."""
        programs = postgres_programs(self.account)
        data = self.data_folder()
        if not (data / "PG_VERSION").exists():
            self.initialize(programs, data)
        refuse_other_version(data)
        stop_leftover(data)
        private_folder(data, self.account)
        private_folder(self.socket_folder(), self.account)
        for left in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            # Nobody serves this folder any more: a lock that still names a number would mislead.
            (self.socket_folder() / left).unlink(missing_ok=True)
        options = (*COMMON, *self.settings, f"unix_socket_directories={self.socket_folder()}")
        command = [str(programs / "postgres"), "-D", str(data)]
        for option in options:
            command += ["-c", option]
        self.process = start(command, log=self.log, fate=self.fate, user=self.uid)

    def wait_ready(self) -> None:
        """Wait until the server accepts connections. Raises StackError when it gives up."""
        assert self.process is not None, "start() comes first"
        deadline = time.monotonic() + READY_S
        while not self.is_ready():
            if self.process.poll() is not None:
                raise self.broken(last_line(self.log, containing=("FATAL", "PANIC", "error")))
            if time.monotonic() > deadline:
                self.stop()
                raise self.broken(f"not ready after {READY_S:.0f} s")
            time.sleep(0.02)

    def is_ready(self) -> bool:
        """Whether the running server has written that it accepts connections."""
        assert self.process is not None, "start() comes first"
        lines = postmaster_lines(self.data_folder())
        status = lines[-1].strip() if lines else ""
        return bool(lines) and lines[0].strip() == str(self.process.pid) and status == "ready"

    def has_died(self) -> bool:
        """Whether the started server is gone."""
        if self.syncing is not None and self.syncing.poll() is not None:
            self.syncing = None
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        """Stop the server and wait for it."""
        if self.syncing is not None:
            self.syncing.wait()
        if self.process is not None and self.process.poll() is None:
            stop(Footprint.of(self.process.pid), signals=STOP_SIGNALS)
            self.process.wait()

    @property
    def uid(self) -> int | None:
        """The user that the server runs as; None: our own."""
        return None if self.account is None else self.account.uid

    def url(self, database: str = DATABASE) -> str:
        """The address, a socket folder in its query."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.socket_folder()))}"

    def data_folder(self) -> Path:
        """The data folder; a link to one elsewhere where PostgreSQL's user cannot enter the home."""
        place = self.layout.postgres
        if place.is_symlink() or place.exists() or self.account is None:
            return place.resolve()
        if may_pass(place, self.account):
            return place
        elsewhere = data_folder_outside(self.layout.home)
        place.symlink_to(elsewhere)
        return elsewhere

    def socket_folder(self) -> Path:
        """A short, private folder for the socket, the same for each start of one home."""
        near = self.layout.run / "postgres"
        reached = self.account is None or may_pass(near, self.account)
        if reached and len(str(near / SOCKET_NAME).encode()) <= SOCKET_PATH_BYTES:
            return near
        mark = hashlib.sha256(str(self.layout.home).encode()).hexdigest()[:12]
        return own_folder(
            Path(tempfile.gettempdir()) / f"licet-{os.geteuid()}-{mark}", self.account
        )

    def initialize(self, programs: Path, data: Path) -> None:
        """Make a new cluster with our database; whole or not at all. Raises StackError."""
        if data.exists() and any(data.iterdir()):
            raise StackError(
                f"The data folder {data} is not one of PostgreSQL's: it has no PG_VERSION.",
                "Put your backup in its place, or run `make reset` to begin afresh.",
            )
        draft = data.with_name(f"{data.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        parent_for(draft, self.account)
        private_folder(draft, self.account)
        self.run_tool([str(programs / "initdb"), *initdb_options(draft)])
        single = [
            str(programs / "postgres"),
            "--single",
            "-c",
            "fsync=off",
            "-D",
            str(draft),
            "postgres",
        ]
        self.run_tool(single, feed=f"CREATE DATABASE {DATABASE};\n")
        if data.exists():
            data.rmdir()
        draft.rename(data)
        if "fsync=on" in self.settings:
            # Made without waiting for the disk; flushed now, beside the first start.
            self.syncing = start(["sync"], log=self.log, fate=self.fate)

    def run_tool(self, command: list[str], *, feed: str = "") -> None:
        """Run one of PostgreSQL's tools to its end. Raises StackError."""
        done = subprocess.run(  # noqa: S603 (our own programs)
            command,
            input=feed,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **identity(self.uid),
        )
        with self.log.open("a") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            complaint = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise self.broken(complaint)

    def broken(self, complaint: str) -> StackError:
        """What to say when the server does not come up."""
        return StackError(
            f"PostgreSQL could not start on {self.layout.postgres}: {complaint or 'no message'}.",
            f"Its log is {self.log}. Restore the folder from a backup, or run `make reset` to begin "
            "afresh (this deletes the data).",
        )


def initdb_options(data: Path) -> list[str]:
    """Options of a new cluster: UTF-8, the same collation on every machine, trust on our own socket."""
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    return ["--no-sync", "--auth=trust", *locale, "--username=postgres", "--pgdata", str(data)]


def refuse_other_version(data: Path) -> None:
    """Raise StackError when another major version of PostgreSQL made the folder."""
    made_by = (data / "PG_VERSION").read_text().strip()
    if made_by != str(POSTGRES_MAJOR):
        raise StackError(
            f"The data folder {data} was made by PostgreSQL {made_by or 'of unknown version'}, and "
            f"Licet brings PostgreSQL {POSTGRES_MAJOR}.",
            "Move it with pg_dump and pg_restore, or run `make reset` to begin afresh.",
        )


def postmaster_lines(data: Path) -> list[str]:
    """The note that a running server keeps in its data folder; empty when there is none."""
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def stop_leftover(data: Path) -> None:
    """Stop a server that an earlier, killed process left running on this folder."""
    lines = postmaster_lines(data)
    if not lines or not lines[0].strip().isdigit():
        return
    pid = int(lines[0])
    if is_postmaster(pid, data):
        stop(Footprint.of(pid), signals=STOP_SIGNALS)
    await_backends(data)
    if psutil.pid_exists(pid):
        # A dead process that nobody buried, or a stranger with its number: PostgreSQL would take
        # either for a running server.
        (data / "postmaster.pid").unlink(missing_ok=True)


def is_postmaster(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL server of this folder."""
    try:
        return str(data) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def await_backends(data: Path) -> None:
    """Wait for the processes of a killed server: they notice its death and leave by themselves."""
    deadline = time.monotonic() + BACKENDS_S
    while backends := [process for process in psutil.process_iter() if is_backend(process, data)]:
        if time.monotonic() > deadline:
            for process in backends:
                process.kill()
        time.sleep(0.05)


def is_backend(process: psutil.Process, data: Path) -> bool:
    """Whether this is a PostgreSQL process that works in this folder."""
    try:
        return (str(process.name()), str(process.cwd())) == ("postgres", str(data))
    except psutil.Error:
        return False


def parent_for(folder: Path, account: Account | None) -> None:
    """Make the folder that will hold ``folder``, open for passing where root made it."""
    if not folder.parent.exists():
        folder.parent.mkdir(parents=True, mode=0o711 if account else 0o700)


def own_folder(folder: Path, account: Account | None) -> Path:
    """A folder in a shared place such as /tmp that is surely ours. Raises StackError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    owners = {os.geteuid()} | ({account.uid} if account else set())
    if folder.is_symlink() or folder.stat().st_uid not in owners:
        raise StackError(
            f"{folder} belongs to another user.", "Remove it, or set LICET_HOME to a shorter path."
        )
    return folder
