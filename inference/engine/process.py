"""The engine process: ``python -m inference.engine.process FD``, spawned by the supervisor.

It alone holds the model. It ends when its supervisor ends.
"""

import ctypes
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when the supervisor dies, so that no orphan holds a GPU."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    expected = int(os.environ.get("LICET_SUPERVISOR_PID", "0"))
    if expected and os.getppid() != expected:
        sys.exit("the supervisor is gone")


class Inbox:
    """Reads commands on a thread, so that a cancellation is seen while the model works."""

    def __init__(self, connection: Connection) -> None:
        from inference.engine.protocol import receive

        self.commands: queue.Queue[dict[str, object] | None] = queue.Queue()
        self.cancelled: set[str] = set()
        self._connection = connection
        self._receive = receive
        threading.Thread(target=self._read, daemon=True, name="inbox").start()

    def _read(self) -> None:
        while True:
            try:
                kind, header, _ = self._receive(self._connection)
            except (EOFError, OSError):
                self.commands.put(None)
                os._exit(0)  # the supervisor is gone: whatever is being drawn has no taker
            if kind == "generate":
                self.commands.put(header)
            elif kind == "cancel":
                self.cancelled.add(str(header["job_id"]))


def main() -> None:
    """Load, test, serve until the supervisor goes."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    connection = Connection(int(sys.argv[1]))

    from inference.engine.protocol import send

    send(connection, "loading", {"detail": "starting"})
    import django

    django.setup()
    from inference.engine.service import NotReady, Service

    try:
        service = Service.start(
            report=lambda detail: send(connection, "loading", {"detail": detail})
        )
    except NotReady as error:
        send(connection, "not_ready", {"detail": str(error)})
        sys.exit(1)
    send(connection, "ready", asdict(service.ready))
    inbox = Inbox(connection)
    while (header := inbox.commands.get()) is not None:
        service.serve(header, connection, inbox.cancelled)


if __name__ == "__main__":
    started = time.monotonic()
    sys.path.insert(0, str(Path.cwd()))
    main()
