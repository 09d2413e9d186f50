"""A container's health check: standard library only, so that asking every few seconds costs little.

``python -m governance.stack.probe http PORT PATH``     exit 0 when this machine answers 200 there
``python -m governance.stack.probe file PATH SECONDS``  exit 0 when that file, or one whose name
begins so, was written at most so many seconds ago; else 1
"""

import http.client
import sys
import time
from pathlib import Path

PATIENCE_S = 10


def main(arguments: list[str]) -> int:
    """Ask what was asked for; returns the exit code. Raises SystemExit on any other words."""
    match arguments:
        case ["http", port, path]:
            return 0 if answers(int(port), path) else 1
        case ["file", path, seconds]:
            return 0 if is_fresh(Path(path), seconds=float(seconds)) else 1
        case _:
            sys.exit(__doc__)


def answers(port: int, path: str) -> bool:
    """Whether an HTTP server on this machine says 200."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        line.request("GET", path)
        return line.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        line.close()


def is_fresh(path: Path, *, seconds: float) -> bool:
    """Whether the file was written lately; Python's databases add a suffix of their own to a name."""
    written = [each.stat().st_mtime for each in path.parent.glob(f"{path.name}*")]
    return bool(written) and time.time() - max(written) <= seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
