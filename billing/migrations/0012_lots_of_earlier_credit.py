"""Credit that was granted before lots existed gets its lot; settling takes out what is spent."""

from django.db import migrations

BACKFILL = """
INSERT INTO billing_credit_lot (id, organization_id, transaction_id, source, external_reference, granted,
    remaining, created_at)
SELECT gen_random_uuid(), t.organization_id, t.id,
    CASE t.kind WHEN 'credit_paid' THEN 'paid' ELSE 'promotional' END,
    t.external_reference, e.amount, e.amount, t.booked_at
FROM billing_ledger_transaction t
JOIN billing_ledger_entry e ON e.transaction_id = t.id AND e.account = 'wallet' AND e.amount > 0
WHERE t.kind IN ('credit_paid', 'credit_promotional')
  AND NOT EXISTS (SELECT 1 FROM billing_credit_lot l WHERE l.transaction_id = t.id)
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0011_periods_and_days")]

    operations = [migrations.RunSQL(BACKFILL, migrations.RunSQL.noop)]
