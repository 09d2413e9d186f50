"""The journal's time may be named for one transaction; the guard of closed periods still looks at it."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"
FORWARD = (SQL / "0016_past_bookings.sql").read_text()
# The function of this migration works with either default.
BACKWARD = "ALTER TABLE billing_ledger_transaction ALTER COLUMN booked_at SET DEFAULT now()"


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_spend_alerts")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
