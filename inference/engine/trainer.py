"""The training process: ``python -m inference.engine.trainer FD``, one for each attempt at a training.

It alone holds Raw. It ends with its training, or when its supervisor ends.
"""

import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from inference.engine.process import die_with_parent

NICENESS = 10


class Orders:
    """What the supervisor has said since: stop, stand back, go on."""

    def __init__(self) -> None:
        self.may_run = threading.Event()
        self.may_run.set()
        self.cancelled = threading.Event()

    def listen(self, connection: Connection) -> None:
        """Read on a thread of its own, so that an order is seen while the model works."""
        from inference.engine.protocol import receive

        while True:
            try:
                kind, _, _ = receive(connection)
            except (EOFError, OSError):
                os._exit(0)  # the supervisor is gone: nobody takes the result
            if kind == "pause":
                self.may_run.clear()
            else:
                if kind == "cancel":
                    self.cancelled.set()
                self.may_run.set()


def main() -> None:
    """Take one order, load, train, say how it ended."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    connection = Connection(int(sys.argv[1]))
    import django

    django.setup()
    from inference.engine.protocol import receive
    from inference.engine.service import Writer
    from inference.engine.training_lesson import teach
    from inference.engine.training_protocol import TrainCommand

    _, header, _ = receive(connection)
    orders = Orders()
    threading.Thread(target=orders.listen, args=(connection,), daemon=True, name="orders").start()
    teach(TrainCommand.from_frame(header), orders, Writer(connection))


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main()
