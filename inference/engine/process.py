"""The engine process: ``python -m inference.engine.process FD``, spawned by the supervisor.

It alone holds the model. It ends when its supervisor ends.
"""

import ctypes
import os
import signal
import sys
import threading
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference.engine.studio import Studio

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when the supervisor dies, so that no orphan holds a GPU."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    expected = int(os.environ.get("LICET_SUPERVISOR_PID", "0"))
    if expected and os.getppid() != expected:
        sys.exit("the supervisor is gone")


def read_orders(connection: Connection, studio: "Studio") -> None:
    """Reads orders on a thread, so that a cancellation is seen while the model works."""
    from inference.engine.protocol import GenerateCommand, receive

    while True:
        try:
            kind, header, _ = receive(connection)
        except (EOFError, OSError):
            os._exit(0)  # the supervisor is gone: whatever is being drawn has no taker
        if kind == "generate":
            studio.accept(GenerateCommand.from_frame(header))
        elif kind == "expand":
            studio.expand(str(header["ticket"]), str(header["text"]))
        elif kind == "cancel":
            studio.cancel(str(header["ticket"]))


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
    from governance.kernel.log_events import log_uncaught

    log_uncaught()
    from inference.engine.service import NotReady, open_studio, start
    from inference.engine.studio import OutOfMemory

    try:
        model, ready = start(report=lambda detail: send(connection, "loading", {"detail": detail}))
    except NotReady as error:
        send(connection, "not_ready", {"detail": str(error)})
        sys.exit(1)
    send(connection, "ready", asdict(ready))
    studio = open_studio(model, ready, connection)
    threading.Thread(
        target=read_orders, args=(connection, studio), daemon=True, name="orders"
    ).start()
    try:
        studio.run()
    except OutOfMemory as error:
        sys.exit(f"out of device memory: {error}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main()
