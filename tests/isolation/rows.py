"""Rows of any table for any organization: whatever its columns ask for, its checks and triggers aside."""

from typing import Any
from uuid import UUID, uuid4

from django.db import connection, models

VALUES = {
    "bigint": lambda n: n,
    "integer": lambda n: n,
    "smallint": lambda n: n,
    "boolean": lambda _n: False,
    "jsonb": lambda _n: "{}",
    "ARRAY": lambda _n: "{}",
    "date": lambda n: f"2026-01-{n:02}",
    "timestamp with time zone": lambda n: f"2026-01-{n:02} 12:00Z",
    "uuid": lambda _n: str(uuid4()),
    "bytea": lambda n: bytes([n]) * 32,
    "inet": lambda n: f"192.0.2.{n}",
    "double precision": float,
}
COLUMNS = """
SELECT column_name, data_type, coalesce(character_maximum_length, 36) FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = %s AND is_identity = 'NO'
    AND is_generated = 'NEVER' AND ((is_nullable = 'NO' AND column_default IS NULL) OR column_name = %s)
"""
CHECKS = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass"


def owner_column(model: type[models.Model]) -> str | None:
    """The column that names the organization, where the table has one."""
    names = {field.column for field in model._meta.concrete_fields}
    return "organization_id" if "organization_id" in names else None


def loosened(table: str) -> None:
    """Until the transaction ends: no checks, no triggers and no foreign keys on the table."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(CHECKS, [table])
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def row_for(table: str, organization_id: UUID, number: int) -> dict[str, Any]:
    """A row's columns with values; ``number`` (1 to 28) makes it another than the others."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [table, "organization_id"])
        found = cursor.fetchall()
    values = {
        name: VALUES[kind](number) if kind in VALUES else uuid4().hex[: int(length)]
        for name, kind, length in found
    }
    return values | {"organization_id": str(organization_id)}


def insert(table: str, row: dict[str, Any]) -> None:
    """Write a row, past the models."""
    names = ", ".join(f'"{name}"' for name in row)
    places = ", ".join(["%s"] * len(row))
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", list(row.values()))
