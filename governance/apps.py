"""The governance app: the floor of the house."""

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from governance.kernel.registry import HealthCheck, health_checks


class GovernanceConfig(AppConfig):
    """Registers the checks of the parts that every process needs."""

    name = "governance"
    verbose_name = "Governance"

    def ready(self) -> None:
        """Called once per process by Django."""
        # Tasks that are sent from any process belong to this application and its broker.
        import_module("governance.celery")
        health_checks.register("database", HealthCheck("database", probe_database))
        health_checks.register("redis", HealthCheck("redis", probe_redis))


def probe_database() -> str:
    """The server's version; raises OperationalError when it cannot be reached."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        row = cursor.fetchone()
    return f"PostgreSQL {row[0]}" if row else "PostgreSQL"


def probe_redis() -> str:
    """Writes and reads one value; raises ConnectionError when it cannot be reached."""
    cache.set("readyz", "1", 10)
    if cache.get("readyz") != "1":
        raise RuntimeError(f"{settings.CACHES['default']['BACKEND']} lost a value just written")
    return "reads and writes"
