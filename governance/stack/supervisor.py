"""``manage.py up``: start everything, say when it is ready, keep it running, stop it in order."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from governance.stack.announcement import Announcement, announcement_from
from governance.stack.children import Children, Program
from governance.stack.errors import StackError
from governance.stack.layout import Layout
from governance.stack.locks import is_held, mutex
from governance.stack.migrations import is_migrated, remember_migrated
from governance.stack.plan import Plan
from governance.stack.postgres import Postgres
from governance.stack.preflight import check_disk, check_port
from governance.stack.processes import Fate, last_line, start
from governance.stack.progress import Progress
from governance.stack.readiness import Readiness
from governance.stack.servers import Servers, embedded_servers, revive, stop_leftovers, up_lock
from governance.stack.valkey import Valkey

# Long: a first start on a busy machine compiles every module. What is awaited is told meanwhile.
READY_S = 600.0
POLL_S = 0.1
# Each question makes the web process probe every part, while the engine needs the processor.
ASK_AGAIN_S = 0.4
BORROWERS_S = 30.0
# Children that die this often before the stack was ever ready will not get better by waiting.
DEATHS_BEFORE_READY = 3
# Somebody waits at the terminal; children that have not ended after children.STOP_S are killed.
DRAIN_S = "8"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal."""


@dataclass(frozen=True)
class Place:
    """Where the stack runs and how it is reached."""

    layout: Layout
    root: Path
    port: int
    url: str
    host: str

    def environment(self) -> dict[str, str]:
        """What the children are told, wherever ``up`` was called from."""
        own = {"LICET_HOME": str(self.layout.home), "LICET_PORT": str(self.port)}
        return {"LICET_DRAIN_S": DRAIN_S} | dict(os.environ) | own | {"PYTHONUNBUFFERED": "1"}


@dataclass
class Stack:
    """One run of ``up``."""

    place: Place
    plan: Plan
    embed_database: bool
    embed_redis: bool
    announce: Callable[[Announcement], None]
    progress: Progress = field(default_factory=Progress)
    children: Children = field(init=False)
    servers: Servers = field(init=False)

    def __post_init__(self) -> None:
        place = self.place
        self.children = Children(place.layout, place.environment(), place.root, self.progress)

    def run(self) -> None:
        """Run until stopped. Raises StackError; StopRequested ends it without an error."""
        layout = self.place.layout
        lock = up_lock(layout)
        # A manage.py command that looks whether we run holds the lock for an instant.
        if not lock.wait_exclusive(seconds=0.5):
            raise StackError(
                f"Another `up` already runs on {layout.home}.",
                "Use that one, stop it first, or set LICET_HOME and LICET_PORT for a second stack.",
            )
        note_process(layout)
        with stop_signals():
            try:
                self.bring_up()
                while True:
                    self.tend()
                    time.sleep(POLL_S)
            except StopRequested:
                self.progress.tell("stopping")
            finally:
                ignore_signals()
                self.bring_down()
                lock.close()

    def bring_up(self) -> None:
        """Everything from nothing to announced."""
        layout = self.place.layout
        self.children.end_leftovers()
        check_disk(layout.home)
        check_port(self.place.port)
        self.start_servers()
        self.migrate()
        programs = self.plan.programs
        self.start_programs(each for each in programs if not each.late and not each.after_seed)
        announcement = self.await_ready()
        self.start_programs(each for each in programs if each.late)
        self.announce(announcement)

    def start_programs(self, programs: Iterable[Program]) -> None:
        """Start these, in order."""
        for program in programs:
            self.children.start(program)

    def start_servers(self) -> None:
        """Start the embedded servers as children that die with us."""
        layout = self.place.layout
        self.servers = embedded_servers(
            layout,
            fate=Fate(signal.SIGINT),
            database=self.embed_database,
            redis=self.embed_redis,
        )
        deadline = time.monotonic() + BORROWERS_S
        while is_held(layout.run / "users.lock"):
            if time.monotonic() > deadline:
                raise StackError(
                    f"Another manage.py command uses the servers of {layout.home}.",
                    "Wait until it has ended, then try again.",
                )
            time.sleep(POLL_S)
        with mutex(layout.run / "servers.lock"):
            stop_leftovers(self.servers)
            self.servers.start(on_ready=self.tell_ready)

    def tell_ready(self, server: Postgres | Valkey) -> None:
        """Progress for people."""
        self.progress.tell(f"{server.name} is ready")

    def migrate(self) -> None:
        """Bring the schema up to date; skipped where this code already did. Raises StackError."""
        layout, root, postgres = self.place.layout, self.place.root, self.servers.postgres
        if postgres and is_migrated(layout, root=root, data=postgres.data_folder()):
            return
        self.progress.tell("migrating the database")
        log = layout.log("migrate")
        if wait_for(self.start_command(self.plan.migrate, log=log)) != 0:
            raise StackError(
                f"The database could not be migrated: {last_line(log)}.", f"The log is {log}."
            )
        if postgres:
            remember_migrated(layout, root=root, data=postgres.data_folder())
        self.progress.tell("the database is up to date")

    def await_ready(self) -> Announcement:
        """Seed beside the starting worker, then start the rest and wait until every part is healthy."""
        seed = self.start_seed()
        readiness = Readiness(self.place.port, self.place.host, self.progress)
        deadline = time.monotonic() + READY_S
        announcement: Announcement | None = None
        while announcement is None or not readiness.is_reached():
            if announcement is None and seed.poll() is not None:
                announcement = self.seeded(seed)
                self.start_programs(each for each in self.plan.programs if each.after_seed)
            self.tend()
            self.give_up_if_hopeless()
            if time.monotonic() > deadline:
                raise self.not_ready(readiness.missing)
            time.sleep(ASK_AGAIN_S)
        return announcement

    def start_seed(self) -> "subprocess.Popen[bytes]":
        """Begin to make the demo organization, or a new login link for it."""
        log = self.place.layout.log("seed")
        return self.start_command(self.plan.seed, log=log, output=subprocess.PIPE)

    def start_command(
        self, command: tuple[str, ...], *, log: Path, output: int | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start a command that ends by itself, and with us."""
        return start(
            command,
            log=log,
            fate=Fate(signal.SIGTERM),
            environment=self.place.environment(),
            folder=self.place.root,
            output=output,
        )

    def seeded(self, seed: "subprocess.Popen[bytes]") -> Announcement:
        """What the finished seed printed. Raises StackError when it failed."""
        output, _ = seed.communicate()
        log = self.place.layout.log("seed")
        if seed.returncode != 0:
            raise StackError(
                f"The demo organization could not be made: {last_line(log)}.", f"The log is {log}."
            )
        return announcement_from(output.decode(), url=self.place.url)

    def tend(self) -> None:
        """Keep children and servers running."""
        self.children.tend()
        for server in self.servers.each():
            if server.has_died():
                revive(server, tell=self.progress.tell)

    def give_up_if_hopeless(self) -> None:
        """Raise StackError when a child keeps dying before the stack was ever ready."""
        for child in self.children.running:
            if child.deaths >= DEATHS_BEFORE_READY:
                name, log = child.program.name, child.watch.log
                raise StackError(
                    f"{name} does not start: {last_line(log) or 'no message'}.",
                    f"Its log is {log}.",
                )

    def not_ready(self, missing: dict[str, str]) -> StackError:
        """What to say when the stack never became healthy."""
        parts = "; ".join(f"{name}: {detail}" for name, detail in missing.items())
        return StackError(
            f"Not everything was healthy after {READY_S:.0f} s ({parts}).",
            f"The logs are in {self.place.layout.logs}.",
        )

    def bring_down(self) -> None:
        """Children first, then Valkey, then PostgreSQL."""
        self.children.stop()
        if hasattr(self, "servers"):
            self.servers.stop()
        self.progress.tell("stopped")


def note_process(layout: Layout) -> None:
    """Write down who runs this stack, so that ``reset`` can stop it."""
    (layout.run / "up.pid").write_text(str(os.getpid()))


def wait_for(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process; an interruption stops it as well."""
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise


class stop_signals:  # noqa: N801 (reads as a block)
    """Turn the signals that end a program into StopRequested for the block."""

    def __enter__(self) -> None:
        self._before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        for number in STOP_SIGNALS:
            signal.signal(number, request_stop)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def request_stop(_number: int, _frame: FrameType | None) -> None:
    """The signal handler."""
    raise StopRequested


def ignore_signals() -> None:
    """A second Ctrl-C must not interrupt the orderly stop."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
