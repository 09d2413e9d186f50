"""Whether the servers that every process needs answer: for the health page and the doctor."""

from uuid import uuid4

from django.core.cache import cache
from django.db import connection


def probe_database() -> str:
    """The server's version; raises OperationalError when it cannot be reached."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        row = cursor.fetchone()
    return f"PostgreSQL {row[0]}" if row else "PostgreSQL"


def probe_redis() -> str:
    """Writes and reads one value; raises ConnectionError when it cannot be reached."""
    value = uuid4().hex
    name = f"probe:{value}"
    cache.set(name, value, 10)
    if cache.get(name) != value:
        raise RuntimeError("a value just written is lost; give Redis memory")
    return "reads and writes"
