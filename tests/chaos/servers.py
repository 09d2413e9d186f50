"""PostgreSQL and Valkey of a stack under attack, each behind a proxy, and a blob store that can be full."""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from governance.stack.layout import Layout
from governance.stack.postgres import SOCKET_NAME, Postgres
from governance.stack.processes import Fate
from governance.stack.servers import Servers, embedded_servers, revive
from governance.stack.valkey import Valkey
from tests.chaos.proxy import Proxy, Reader, Writer

LOOK_S = 0.2
BLOBS_MIB = 64


class Attacked:
    """Both servers, kept running as `manage.py up` keeps its own, reached through proxies only."""

    def __init__(self, home: Path, tell: Callable[[str], None]) -> None:
        layout = Layout(home / "servers")
        layout.prepare()
        self.tell = tell
        self.servers: Servers = embedded_servers(
            layout, fate=Fate(signal.SIGINT), database=True, redis=True
        )
        self.servers.start()
        self.database = Proxy(self.reach_postgres, speaks_postgres=True).start()
        self.redis = Proxy(self.reach_valkey, speaks_postgres=False).start()
        self.closing = threading.Event()
        self.tending = threading.Thread(target=self.tend, name="tend", daemon=True)
        self.tending.start()

    @property
    def postgres(self) -> Postgres:
        """The server itself."""
        assert self.servers.postgres is not None
        return self.servers.postgres

    @property
    def valkey(self) -> Valkey:
        """The server itself."""
        assert self.servers.valkey is not None
        return self.servers.valkey

    def environment(self) -> dict[str, str]:
        """Where the stack finds them."""
        return {
            "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{self.database.port}/licet",
            "REDIS_URL": f"redis://:{self.valkey.password}@127.0.0.1:{self.redis.port}/0",
        }

    async def reach_postgres(self) -> tuple[Reader, Writer]:
        """A connection to PostgreSQL's socket."""
        return await asyncio.open_unix_connection(self.postgres.socket_folder() / SOCKET_NAME)

    async def reach_valkey(self) -> tuple[Reader, Writer]:
        """A connection to Valkey's port."""
        return await asyncio.open_connection("127.0.0.1", self.valkey.port)

    def tend(self) -> None:
        """Start again what was killed."""
        while not self.closing.wait(LOOK_S):
            for server in self.servers.each():
                if server.has_died():
                    revive(server, tell=self.tell)

    def close(self) -> None:
        """Stop everything."""
        self.closing.set()
        self.tending.join()
        self.database.stop()
        self.redis.stop()
        self.servers.stop()


class Blobs:
    """The folder of released images: a small file system of its own where we may mount one."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "blobs"
        self.folder.mkdir(mode=0o700)
        self.is_small = os.geteuid() == 0 and self.mount()
        self.ballast = self.folder / "ballast"

    def mount(self) -> bool:
        """Whether the small file system could be mounted."""
        size = f"size={BLOBS_MIB}m"
        command = ["mount", "-t", "tmpfs", "-o", size, "licet-chaos", str(self.folder)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def fill(self) -> None:
        """No byte is left."""
        with self.ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                return

    def free(self) -> None:
        """There is room again."""
        self.ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount."""
        if self.is_small:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)
