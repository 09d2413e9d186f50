"""A PostgreSQL of the benchmark's own, migrated, with Django set up on it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from governance.stack.layout import Layout
from governance.stack.postgres import FAST, Postgres
from governance.stack.processes import Fate

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def own_database() -> Iterator[Path]:
    """Start, migrate, set Django up; gives the folder, which is deleted in the end."""
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as name:
        layout = Layout(Path(name))
        layout.prepare()
        server = Postgres(layout, Fate(None), FAST)
        server.start()
        try:
            server.wait_ready()
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute("DROP DATABASE IF EXISTS bench")
                connection.execute("CREATE DATABASE bench")
            os.environ |= {
                "DATABASE_URL": server.url("bench") + "&pool=off",
                "REDIS_URL": "redis://unused",
                "DJANGO_SETTINGS_MODULE": "governance.settings",
            }
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"],
                cwd=ROOT,
                check=True,
            )
            import django

            django.setup()
            yield Path(name)
        finally:
            server.stop()
