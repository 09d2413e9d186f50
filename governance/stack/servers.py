"""Both embedded servers of one LICET_HOME, as one thing to start and stop."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from governance.stack.addresses import living_addresses, remove_note, write_note
from governance.stack.errors import StackError
from governance.stack.layout import Layout
from governance.stack.locks import FileLock, is_held, mutex
from governance.stack.postgres import Postgres
from governance.stack.processes import Fate
from governance.stack.valkey import Valkey

# A server that dies while it starts again, as one killed during its recovery, gets another chance
# after 1, 2, 4 ... seconds.
RESTARTS = 6


@dataclass
class Servers:
    """What is started here; None where an address of the operator's is used instead."""

    layout: Layout
    postgres: Postgres | None
    valkey: Valkey | None
    running: bool = field(default=False, init=False)

    def each(self) -> list[Postgres | Valkey]:
        """The servers in the order in which they start."""
        return [server for server in (self.postgres, self.valkey) if server is not None]

    def start(self, *, on_ready: Callable[[Postgres | Valkey], None] = lambda _: None) -> None:
        """Start both side by side, wait for both, write their addresses down. Raises StackError."""
        try:
            for server in reversed(self.each()):
                server.start()
            for server in self.each():
                server.wait_ready()
                on_ready(server)
        except BaseException:
            self.stop()
            raise
        write_note(self.layout, self.addresses())

    def addresses(self) -> dict[str, str]:
        """What goes into the note."""
        found = {}
        if self.postgres is not None:
            found["database_url"] = self.postgres.url()
        if self.valkey is not None:
            found["redis_url"] = self.valkey.url
        return found

    def stop(self) -> None:
        """Stop what runs, Valkey first, and forget the addresses."""
        remove_note(self.layout)
        for server in reversed(self.each()):
            server.stop()


def embedded_servers(layout: Layout, *, fate: Fate, database: bool, redis: bool) -> Servers:
    """The servers of a home that are wanted, durable, not yet started."""
    return Servers(
        layout,
        Postgres(layout, fate) if database else None,
        Valkey(layout, fate) if redis else None,
    )


def revive(server: Postgres | Valkey, *, tell: Callable[[str], None]) -> None:
    """Start a dead server again, RESTARTS times at most. Raises the last try's StackError."""
    for failed in range(1, RESTARTS + 1):
        tell(f"{server.name} stopped; starting it again. Its log: {server.log}")
        try:
            server.start()
            server.wait_ready()
        except StackError:
            if failed == RESTARTS:
                raise
            time.sleep(2.0 ** (failed - 1))
        else:
            return


def up_lock(layout: Layout) -> FileLock:
    """Held for as long as one ``up`` runs on this home."""
    return FileLock(layout.run / "up.lock")


@contextmanager
def borrowed(layout: Layout, *, make: Callable[[], Servers]) -> Iterator[None]:
    """Servers for the duration of one command.

    Those of a running stack or of another command are shared; otherwise they are started here, and
    the last user stops them. Locks tell who still uses them, so a killed user counts for nothing.
    """
    layout.prepare()
    users = FileLock(layout.run / "users.lock")
    with mutex(layout.run / "servers.lock"):
        users.share()
        servers = make()
        missing = servers.addresses().keys() - living_addresses(layout.home).keys()
        if missing and not is_held(layout.run / "up.lock"):
            servers.start()
    try:
        yield
    finally:
        with mutex(layout.run / "servers.lock"):
            if users.try_exclusive() and not is_held(layout.run / "up.lock"):
                stop_leftovers(servers)
            users.close()


def stop_leftovers(servers: Servers) -> None:
    """Stop the servers of this home, whoever started them."""
    from governance.stack.postgres import stop_leftover  # noqa: PLC0415

    servers.stop()
    if servers.postgres is not None:
        stop_leftover(servers.postgres.data_folder())
    if servers.valkey is not None:
        servers.valkey.stop_leftover()
