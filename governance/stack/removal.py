"""Deleting the state of one LICET_HOME."""

import os
import shutil
import signal
from pathlib import Path

from governance.env import BASE_DIR
from governance.stack.children import Children
from governance.stack.errors import StackError
from governance.stack.layout import Layout
from governance.stack.locks import is_held, mutex
from governance.stack.processes import Fate
from governance.stack.progress import Progress
from governance.stack.servers import embedded_servers, stop_leftovers, up_lock

STOP_S = 60.0
# In a folder that the operator chose, only what is surely ours.
OURS = (
    *("postgres", "postgres.new", "valkey", "run", "logs", "blobs", "mail", "policies"),
    *("secrets.json", "demo.json", "history.json"),
)


def check_is_home(layout: Layout) -> None:
    """Raise StackError for a folder that no Licet ever ran in: its `logs` would not be ours."""
    if not any((layout.run / name).exists() for name in ("up.lock", "servers.lock")):
        raise StackError(
            f"Nothing was removed: no Licet ever ran in {layout.home}.",
            "Set LICET_HOME to the folder that should be removed.",
        )


def stop_everything(layout: Layout) -> None:
    """Stop a running ``up`` and whatever a killed one left. Raises StackError when it does not stop."""
    layout.prepare()
    lock = up_lock(layout)
    if is_held(layout.run / "up.lock"):
        os.kill(int((layout.run / "up.pid").read_text()), signal.SIGTERM)
    if not lock.wait_exclusive(seconds=STOP_S):
        raise StackError(
            f"The stack on {layout.home} did not stop within {STOP_S:.0f} s.",
            "Stop it, then try again.",
        )
    Children(layout, {}, BASE_DIR, Progress()).end_leftovers()
    with mutex(layout.run / "servers.lock"):
        stop_leftovers(embedded_servers(layout, fate=Fate(None), database=True, redis=True))
    lock.close()


def remove_state(layout: Layout, *, whole: bool) -> list[Path]:
    """Delete the data; ``whole``: the home itself too. Returns what was removed."""
    paths = sorted(layout.home.iterdir()) if whole else [layout.home / name for name in OURS]
    removed = [gone for path in paths for gone in remove(path)]
    if whole:
        layout.home.rmdir()
    return removed


def remove(path: Path) -> list[Path]:
    """Delete a file or folder, and what a link of ours points to."""
    if path.is_symlink():
        target = path.resolve()
        path.unlink()
        return [path, *remove(target)]
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
    else:
        return []
    return [path]
