"""An embedded Valkey on a free port of 127.0.0.1, behind a password."""

import secrets
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from governance.stack.errors import StackError
from governance.stack.layout import Layout
from governance.stack.processes import Fate, Footprint, last_line, start, stop
from governance.stack.programs import valkey_program

READY_S = 30.0
PONG_S = 1.0
DURABLE = ("appendonly yes", "appendfsync everysec", 'save ""')
# For tests only: nothing is written.
FAST = ("appendonly no", 'save ""')
STOP_SIGNALS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


@dataclass
class Valkey:
    """The Valkey of one LICET_HOME. A port, since every client library knows that form of address."""

    layout: Layout
    fate: Fate
    settings: tuple[str, ...] = DURABLE
    process: "subprocess.Popen[bytes] | None" = None
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    port: int = 0

    name = "Valkey"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.layout.log("valkey")

    @property
    def url(self) -> str:
        """The address with its password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Begin to start the server; a restart keeps port and password. Raises StackError."""
        folder = self.layout.valkey
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        self.stop_leftover()
        self.port = self.port or free_port()
        configuration = folder / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(self.configuration()) + "\n")
        command = [str(valkey_program()), str(configuration)]
        self.process = start(command, log=self.log, fate=self.fate, folder=folder)
        (folder / "valkey.pid").write_text(
            f"{self.process.pid} {Footprint.of(self.process.pid).started}"
        )

    def configuration(self) -> list[str]:
        """The lines of its configuration file."""
        return [
            "bind 127.0.0.1",
            "protected-mode yes",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.layout.valkey}"',
            "daemonize no",
            *self.settings,
        ]

    def wait_ready(self) -> None:
        """Wait until it answers. Raises StackError when it gives up."""
        assert self.process is not None, "start() comes first"
        deadline = time.monotonic() + READY_S
        while not answers(self.url):
            if self.process.poll() is not None or time.monotonic() > deadline:
                complaint = last_line(self.log) or "no message"
                self.stop()
                raise StackError(
                    f"Valkey could not start on {self.layout.valkey}: {complaint}.",
                    f"Its log is {self.log}. Remove that folder: it holds only queues and caches.",
                )
            time.sleep(0.02)

    def has_died(self) -> bool:
        """Whether the started server is gone."""
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        """Stop the server and wait for it."""
        if self.process is not None and self.process.poll() is None:
            stop(Footprint.of(self.process.pid), signals=STOP_SIGNALS)
            self.process.wait()
            (self.layout.valkey / "valkey.pid").unlink(missing_ok=True)

    def stop_leftover(self) -> None:
        """Stop a server that an earlier, killed process left running on this folder."""
        note = self.layout.valkey / "valkey.pid"
        try:
            pid, started = note.read_text().split()
        except (FileNotFoundError, ValueError):
            return
        stop(Footprint(int(pid), float(started)), signals=STOP_SIGNALS)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether the Valkey at this address lets us in and answers a PING."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout=PONG_S) as line:
            line.sendall(f"AUTH {parts.password}\r\nPING\r\n".encode())
            reply = b""
            while reply.count(b"\r\n") < 2:  # noqa: PLR2004 (one line per command)
                piece = line.recv(256)
                if not piece:
                    return False
                reply += piece
    except OSError:
        return False
    return reply.endswith(b"+PONG\r\n")
