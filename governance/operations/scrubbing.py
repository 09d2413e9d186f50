"""Taking words out of every text of the database, wherever an app has put them."""

import re
from collections.abc import Iterable, Iterator

import pgtrigger
from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg import sql

# The log keeps its own order: see ``governance.operations.erasure``. The other is Django's.
LEFT_ALONE = (
    "governance_audit_entry", "governance_audit_leaf", "governance_audit_node",
    "governance_audit_checkpoint", "governance_audit_stamp", "django_migrations",
)  # fmt: skip
COLUMNS = """
    SELECT c.table_name, c.column_name, format_type(a.atttypid, a.atttypmod)
    FROM information_schema.columns c
    JOIN information_schema.tables t USING (table_schema, table_name)
    JOIN pg_attribute a ON a.attrelid = format('%%I.%%I', table_schema, table_name)::regclass
                       AND a.attname = c.column_name
    WHERE table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
      AND c.udt_name IN ('text', 'varchar', 'bpchar', 'json', 'jsonb', '_text', '_varchar', 'citext')
      AND table_name <> ALL (%s)
    ORDER BY 1, 2
"""


def scrub_everywhere(words: Iterable[str], *, pseudonym: str) -> int:
    """Replace each word, in any case, by ``pseudonym`` in every text, list and JSON column.

    Goes past append-only triggers: what is erased by right is erased there too. Returns how many
    rows changed, counted by column.
    """
    pattern = "|".join(re.escape(word) for word in words if word)
    if not pattern:
        return 0
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        return sum(
            _scrub_column(cursor, table, column, kind, pattern, pseudonym)
            for table, column, kind in _text_columns(cursor)
        )


def _text_columns(cursor: CursorWrapper) -> Iterator[tuple[str, str, str]]:
    cursor.execute(COLUMNS, [list(LEFT_ALONE)])
    yield from cursor.fetchall()


def _scrub_column(
    cursor: CursorWrapper, table: str, column: str, kind: str, pattern: str, pseudonym: str
) -> int:
    statement = sql.SQL(
        "UPDATE {table} SET {column} = regexp_replace({column}::text, %s, %s, 'gi')::{kind} "
        "WHERE {column}::text ~* %s"
    ).format(table=sql.Identifier(table), column=sql.Identifier(column), kind=sql.SQL(kind))
    cursor.execute(statement, [pattern, pseudonym, pattern])
    return int(cursor.rowcount)
