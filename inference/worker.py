"""The Celery worker of an engine host: ``python -m inference.worker [CELERY WORKER OPTIONS]``.

The same as ``celery -A governance worker``, but the engines begin to load before Django and Celery
do: loading torch and the model is what takes longest.
"""

import os
import sys


def main() -> int:
    """Spawn the engines, then be the worker."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    from inference.engine.spawning import spawn_early

    spawn_early()
    from celery.__main__ import main as celery

    sys.argv = ["celery", "-A", "governance", "worker", *sys.argv[1:]]
    celery()
    return 0


if __name__ == "__main__":
    sys.exit(main())
