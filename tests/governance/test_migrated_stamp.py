"""When the database counts as migrated with this code."""

from pathlib import Path

from governance.stack.migrations import code_fingerprint


def test_another_sql_file_of_a_migration_is_another_schema(tmp_path: Path) -> None:
    sql = tmp_path / "billing" / "migrations" / "sql"
    sql.mkdir(parents=True)
    (sql / "0003_hot_path.sql").write_text("SELECT 1")
    before = code_fingerprint(tmp_path)

    (sql / "0003_hot_path.sql").write_text("SELECT 2")

    assert code_fingerprint(tmp_path) != before
