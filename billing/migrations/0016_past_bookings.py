"""The journal's time may be named for one transaction; the guard of closed periods still looks at it."""

from django.db import migrations

FORWARD = """
ALTER TABLE billing_ledger_transaction ALTER COLUMN booked_at SET DEFAULT
    coalesce(nullif(current_setting('licet.booked_at', true), '')::timestamptz, now())
"""
BACKWARD = "ALTER TABLE billing_ledger_transaction ALTER COLUMN booked_at SET DEFAULT now()"


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_spend_alerts")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
