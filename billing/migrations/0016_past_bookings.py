"""The journal's time may be named for one transaction (``billing.operations.past``).

The guard of closed periods looks at a named time as at any other.
"""

from pathlib import Path

from django.db import migrations, models
from django.db.models.functions import Coalesce, Now

NAMED_TIME = """
CREATE FUNCTION billing_named_time() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT nullif(current_setting('licet.booked_at', true), '')::timestamptz $$;
"""
HOT_PATH = (Path(__file__).parent / "sql" / "0003_hot_path.sql").read_text()
BEGIN = HOT_PATH.index("CREATE FUNCTION billing_capture_hold")
CAPTURE = HOT_PATH[BEGIN : HOT_PATH.index("END $$;", BEGIN)].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
) + "END $$;"
# The only line of it that changes.
BEFORE, AFTER = "h.organization_id, at, now(),", "h.organization_id, at, coalesce(billing_named_time(), now()),"
assert CAPTURE.count(BEFORE) == 1, "the capture names its time once"


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_spend_alerts")]

    operations = [
        migrations.RunSQL(NAMED_TIME, "DROP FUNCTION billing_named_time()"),
        migrations.AlterField(
            model_name="ledgertransaction",
            name="booked_at",
            field=models.DateTimeField(
                db_default=Coalesce(
                    models.Func(function="billing_named_time", output_field=models.DateTimeField()),
                    Now(),
                )
            ),
        ),
        migrations.RunSQL(CAPTURE.replace(BEFORE, AFTER), CAPTURE),
    ]
