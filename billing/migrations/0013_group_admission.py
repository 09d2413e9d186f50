"""Several holds of one organization in one transaction, from the SQL file beside this one."""

from pathlib import Path

from django.db import migrations

FUNCTION = (Path(__file__).parent / "sql" / "0013_group_admission.sql").read_text()
DROP = """
DROP FUNCTION billing_open_holds(uuid, jsonb, timestamptz);
DROP TYPE billing_hold_request;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0012_lots_of_earlier_credit"),
        ("governance", "0001_initial"),
    ]

    operations = [migrations.RunSQL(FUNCTION, DROP)]
