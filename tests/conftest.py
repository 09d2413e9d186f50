"""A PostgreSQL and a Valkey for the tests, started before Django reads its settings.

One PostgreSQL per checkout, shared by runs at the same time and stopped by the last one; a database
per run and xdist worker, copied from a migrated template; a Valkey and a LICET_HOME per process.
``TEST_DATABASE_URL`` names another PostgreSQL instead. Fixtures of domain objects: tests/factories.py.
"""

import atexit
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import django
import psutil
import psycopg
import pytest
from psycopg import sql

from governance.stack import postgres, valkey
from governance.stack.errors import StackError
from governance.stack.layout import Layout
from governance.stack.locks import mutex
from governance.stack.migrations import code_fingerprint
from governance.stack.processes import Fate
from governance.stack.servers import Servers, borrowed

ROOT = Path(__file__).resolve().parent.parent
CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:10]
SHARED = Layout(Path(tempfile.gettempdir()) / f"licet-test-{os.geteuid()}-{CHECKOUT}")
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
HAND_OVER = "LICET_TEST_POSTGRES"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
NO_CHROMIUM = "no Chromium here: apt-get install chromium, or set LICET_CHROMIUM to one"


def shared_servers() -> Servers:
    """The PostgreSQL of this checkout's tests: fast, not durable."""
    return Servers(SHARED, postgres.Postgres(SHARED, Fate(None), postgres.FAST), None)


def postgres_for_this_run() -> str:
    """The address of the server: given, handed over by the xdist controller, or started now."""
    given = os.environ.get("TEST_DATABASE_URL") or os.environ.get(HAND_OVER)
    if not given:
        lease = borrowed(SHARED, make=shared_servers)
        try:
            lease.__enter__()
        except StackError:
            # Nothing in there is worth keeping, for instance after a power cut without fsync.
            shutil.rmtree(SHARED.postgres, ignore_errors=True)
            lease = borrowed(SHARED, make=shared_servers)
            lease.__enter__()
        atexit.register(lease.__exit__, None, None, None)
        given = shared_servers().addresses()["database_url"]
    os.environ[HAND_OVER] = given
    return given


def with_database(url: str, name: str) -> str:
    """The address of another database on the same server, without a pool: tests drop databases."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, "pool=off"]))
    # urlunsplit drops the empty host of postgresql://postgres@/name
    return urlunsplit(parts._replace(path=f"/{name}", query=query))


def administer(url: str) -> psycopg.Connection:
    """A connection that may create and drop databases."""
    parts = urlsplit(url)
    return psycopg.connect(urlunsplit(parts._replace(path="/postgres")), autocommit=True)


def migrated_template(url: str) -> str:
    """A database with every migration of this code; made once, then only copied."""
    name = f"licet_template_{code_fingerprint(ROOT)[:16]}"
    with mutex(SHARED.run / "template.lock"), administer(url) as server:
        # Tests with real commits end with TRUNCATE, which the audit log refuses to everybody else.
        server.execute("ALTER ROLE CURRENT_USER SET licet.may_truncate = 'on'")
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            drop_databases(server, "licet_template_%")
            draft = f"licet_draft_{os.getpid()}"
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
            command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--no-input", "-v", "0"]
            addresses = {"DATABASE_URL": with_database(url, draft), "REDIS_URL": "redis://unused"}
            subprocess.run(command, check=True, env={**os.environ, **addresses})
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            server.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
    return name


def drop_databases(server: psycopg.Connection, pattern: str) -> None:
    """Drop every database whose name is LIKE the pattern, whoever is still connected."""
    for (name,) in server.execute(
        "SELECT datname FROM pg_database WHERE datname LIKE %s", [pattern]
    ):
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(name)))


def drop_orphans(url: str) -> None:
    """Drop what killed runs left behind."""
    with administer(url) as server:
        found = server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test_licet_%'")
        for (name,) in found.fetchall():
            owner = name.split("_")[2]
            if not (owner.isdigit() and psutil.pid_exists(int(owner))):
                drop_databases(server, name)


def start_private_valkey(home: Path) -> str:
    """A Valkey for this process alone; the kernel stops it if we are killed."""
    server = valkey.Valkey(Layout(home), Fate(signal.SIGTERM), valkey.FAST)
    Layout(home).prepare()
    server.start()
    server.wait_ready()
    atexit.register(server.stop)
    return server.url


def prepare_environment() -> None:
    """Everything that the settings read, set before they are read."""
    if WORKER is None and "DJANGO_SETTINGS_MODULE" in os.environ:
        raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: Django would be set up too early.")
    SHARED.prepare()
    home = Path(tempfile.mkdtemp(prefix="licet-test-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    url = postgres_for_this_run()
    run = os.environ.setdefault("LICET_TEST_RUN", str(os.getpid()))
    if WORKER is None:
        drop_orphans(url)
        os.environ["LICET_TEST_TEMPLATE"] = migrated_template(url)
        atexit.register(drop_databases_of_run, url, run)
    os.environ |= {
        "LICET_HOME": str(home),
        "LICET_ENVIRONMENT": "development",
        "DATABASE_URL": with_database(url, f"licet_{run}"),
        "REDIS_URL": start_private_valkey(home),
        "BROKER_URL": "",
        "DJANGO_SETTINGS_MODULE": "governance.settings",
    }


def drop_databases_of_run(url: str, run: str) -> None:
    """The end of a run, however its tests left their connections."""
    with administer(url) as server:
        drop_databases(server, f"test_licet_{run}%")


prepare_environment()
django.setup()

# Domain fixtures; they import models, so they come after the set-up.
pytest_plugins = [
    "tests.factories",
    "tests.governance.receivers",
    "tests.observability.caught",
    "tests.inference.training_fixtures",
]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Workers set Django up themselves, after they have their own Valkey and LICET_HOME."""
    if session.config.getoption("numprocesses", None):
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The database is dropped when the run ends, by force: threads may still hold connections."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Copy the migrated template instead of running each migration again."""
    from django.conf import settings

    template = os.environ["LICET_TEST_TEMPLATE"]
    settings.DATABASES["default"].setdefault("TEST", {})["TEMPLATE"] = template


def find_chromium() -> str | None:
    """A Chromium to drive: LICET_CHROMIUM or the first known name on PATH."""
    given = os.environ.get("LICET_CHROMIUM")
    return given or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the Chromium for browser tests."""
    found = find_chromium()
    assert found is not None, NO_CHROMIUM
    return found


def pytest_runtest_setup(item: pytest.Item) -> None:
    """In CI a missing browser fails the tests that need one."""
    if item.get_closest_marker("browser") and not find_chromium():
        pytest.fail(NO_CHROMIUM)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests are skipped where there is no browser, but never in CI."""
    if find_chromium() or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))
