"""Row-level security: what a tenant's request may see of this app's tables (decision 0071)."""

from django.db import migrations

from governance.kernel.row_policies import own, shared, through

OWN = (
    "adjustment", "budget", "credit_lot", "dispute", "hold", "ledger_entry", "ledger_transaction",
    "payment_profile", "refund", "spend_alert", "statement", "top_up", "usage_rollup", "wallet",
)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0016_past_bookings"),
        ("governance", "0012_row_level_security"),
    ]

    operations = [
        migrations.RunSQL(*step)
        for step in (
            *(own(f"billing_{table}") for table in OWN),
            through("billing_budget_window", "budget_id", "billing_budget"),
            through("billing_lot_movement", "lot_id", "billing_credit_lot"),
            *(shared(f"billing_{table}") for table in ("price_version", "rollup_day")),
        )
    ]
