"""What must be in order before anything starts."""

import contextlib
import shutil
import socket
from pathlib import Path

import psutil

from governance.stack.errors import StackError

NEEDED_BYTES = 10**9


def check_disk(home: Path) -> None:
    """Raise StackError when less than 1 GB is free for data."""
    free = shutil.disk_usage(home).free
    if free < NEEDED_BYTES:
        raise StackError(
            f"Only {free / 1e9:.1f} GB are free for data in {home}, and 1 GB is needed.",
            "Free some space, or set LICET_HOME to a folder on another disk.",
        )


def check_port(port: int) -> None:
    """Raise StackError when somebody else listens on the port of the web server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise StackError(
                f"Port {port} is reserved for root.", "Choose another: LICET_PORT=8001 make up."
            ) from None
        except OSError:
            raise StackError(
                f"Port {port} is in use by {listener(port)}.",
                f"Stop it, or choose another port: LICET_PORT={port + 1} make up.",
            ) from None


def listener(port: int) -> str:
    """Who listens on a port, as far as we may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for line in psutil.net_connections("tcp"):
            if line.laddr and line.laddr.port == port and line.status == "LISTEN" and line.pid:
                return f"{psutil.Process(line.pid).name()} (process {line.pid})"
    return "another program"
