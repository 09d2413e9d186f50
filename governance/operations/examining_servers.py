"""Examinations of what Licet stands on: packages, disk, secrets, servers, storage."""

import importlib.metadata
import shutil
import sys
import tomllib
from datetime import datetime
from uuid import uuid4

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.timezone import now
from kombu import Connection
from packaging.requirements import Requirement

from governance.gateways.tenant_postgres.base import MAY_BECOME
from governance.kernel.diagnosis import (
    Diagnosis,
    Examination,
    broken,
    by_age,
    fine,
    probed,
    warning,
)
from governance.operations.beats import last_tick
from governance.operations.probes import probe_database, probe_redis

GIB = 1 << 30
DISK_WARNING, DISK_BROKEN = 5 * GIB, GIB // 2
SKEW_WARNING_S, SKEW_BROKEN_S = 2.0, 30.0
BROKER_S = 3
# Tables that would show our own role only what a policy lets through: it is not their owner.
BOUND_BY_POLICIES = """
SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relrowsecurity
    AND row_security_active(oid) ORDER BY relname
"""
TICK_WARNING_S, TICK_BROKEN_S = 60.0, 120.0


def look_at_packages(_at: datetime) -> Diagnosis:
    """Python, and each package that pyproject.toml asks for, in a version that it allows."""
    missing = []
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    asked: list[str] = project["dependencies"]
    for line in asked:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            version = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(f"{wanted.name} is absent")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            missing.append(f"{wanted.name} {version} is not {wanted.specifier}")
    python = f"Python {sys.version.split()[0]}"
    if missing:
        return broken(f"{python}: {', '.join(missing)}", "Run `make venv`.")
    return fine(f"{python}, {len(asked)} packages")


def look_at_disk(_at: datetime) -> Diagnosis:
    """Free space below LICET_HOME."""
    free = shutil.disk_usage(settings.LICET_HOME).free
    detail = f"{free / GIB:.1f} GiB free below {settings.LICET_HOME}"
    remedy = "Free space, or move LICET_HOME; shorter image retention frees it from day to day."
    if free < DISK_BROKEN:
        return broken(detail, remedy)
    return warning(detail, remedy) if free < DISK_WARNING else fine(detail)


def look_at_migrations(_at: datetime) -> Diagnosis:
    """Whether the schema is this code's."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = ", ".join(f"{each.app_label}.{each.name}" for each, _ in missing[:5])
        return broken(
            f"{len(missing)} migrations are not applied: {names}", "Run `manage.py migrate`."
        )
    return fine("every migration is applied")


def look_at_isolation(_at: datetime) -> Diagnosis:
    """Whether the database itself keeps tenants apart, and whether it lets us read everything."""
    with connection.cursor() as cursor:
        cursor.execute(MAY_BECOME)
        row = cursor.fetchone()
        cursor.execute(BOUND_BY_POLICIES)
        hidden = [table for (table,) in cursor.fetchall()]
    if hidden:
        return broken(
            f"row-level security hides {hidden[0]} and {len(hidden) - 1} more tables from our own role",
            "Let DATABASE_URL name the tables' owner, or give its role BYPASSRLS.",
        )
    if not (row and row[0]):
        return warning(
            "tenants are kept apart by the application alone: the role licet_tenant cannot be used",
            "As a superuser: CREATE ROLE licet_tenant NOLOGIN; GRANT licet_tenant TO <our role>; then "
            "`manage.py migrate`, and start the web processes again.",
        )
    return fine("the database shows a tenant's requests that tenant's rows alone")


def look_at_clock(_at: datetime) -> Diagnosis:
    """This machine's clock beside the database's: leases are compared across both."""
    before = now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        row = cursor.fetchone()
    assert row is not None, "SELECT without FROM gives one row"
    after = now()
    skew = max((before - row[0]).total_seconds(), (row[0] - after).total_seconds(), 0.0)
    return by_age(
        skew,
        "difference to the database's clock",
        warn_s=SKEW_WARNING_S,
        broken_s=SKEW_BROKEN_S,
        remedy="Let both machines keep time (chrony or systemd-timesyncd).",
    )


def look_at_broker(_at: datetime) -> Diagnosis:
    """Whether Celery's broker lets us in."""
    with Connection(settings.CELERY_BROKER_URL, connect_timeout=BROKER_S) as line:
        line.ensure_connection(max_retries=1, timeout=BROKER_S)
        return fine(f"{line.transport_cls} answers")


def look_at_storage(_at: datetime) -> Diagnosis:
    """Writes, reads and deletes one blob."""
    name = default_storage.save(f"doctor/{uuid4().hex}", ContentFile(b"doctor"))
    try:
        with default_storage.open(name) as stream:
            kept = stream.read() == b"doctor"
    finally:
        default_storage.delete(name)
    return (
        fine("writes, reads and deletes")
        if kept
        else broken("a blob came back changed", "Look at the disk or bucket behind LICET_STORAGE.")
    )


def look_at_beat(at: datetime) -> Diagnosis:
    """When the last periodic task ran."""
    remedy = "Start beat and a worker of the housekeeping queue; their logs are in LICET_HOME/logs."
    last = last_tick()
    if last is None:
        return broken("no periodic task has run yet", remedy)
    return by_age(
        max(at.timestamp() - last, 0.0),
        "since the last periodic task",
        warn_s=TICK_WARNING_S,
        broken_s=TICK_BROKEN_S,
        remedy=remedy,
    )


EXAMINATIONS = (
    Examination("packages", look_at_packages, "Run `make venv`."),
    Examination("disk", look_at_disk, "Make LICET_HOME a folder that this user may write."),
    probed(
        "database",
        probe_database,
        "Start PostgreSQL (`make up` brings its own), or mend DATABASE_URL.",
    ),
    Examination("migrations", look_at_migrations, "Run `manage.py migrate`.", needs_database=True),
    Examination(
        "tenant isolation", look_at_isolation, "Run `manage.py migrate`.", needs_database=True
    ),
    Examination("clock", look_at_clock, "Look at the database's log.", needs_database=True),
    probed("redis", probe_redis, "Start Redis or Valkey, or mend REDIS_URL."),
    Examination("broker", look_at_broker, "Start the broker, or mend LICET_BROKER_URL."),
    Examination(
        "storage",
        look_at_storage,
        "Let this user write to LICET_STORAGE (LICET_BLOB_ROOT); look for a full disk.",
    ),
    Examination("beat", look_at_beat, "Start Redis first, then beat and a worker."),
)
