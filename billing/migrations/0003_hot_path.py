"""The functions of the hot path, from the SQL file beside this one."""

from pathlib import Path

from django.db import migrations

FUNCTIONS = (Path(__file__).parent / "sql" / "0003_hot_path.sql").read_text()
DROP = """
DROP FUNCTION billing_release_hold(uuid, text, text, timestamptz);
DROP FUNCTION billing_capture_hold(uuid, int, int, timestamptz);
DROP FUNCTION billing_settle_windows(jsonb, bigint, bigint);
DROP FUNCTION billing_reserve(uuid, bigint);
DROP FUNCTION billing_open_hold(uuid, uuid, uuid, uuid, uuid, uuid, text, text, bigint, bigint, uuid,
    jsonb, timestamptz);
DROP FUNCTION billing_raise_windows(uuid, uuid, uuid, uuid, bigint);
DROP FUNCTION licet_api_key_lock(uuid);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_ledger_rules_and_prices"),
        ("governance", "0001_initial"),
    ]

    operations = [migrations.RunSQL(FUNCTIONS, DROP)]
