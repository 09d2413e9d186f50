"""Row-level security: what a tenant's request may see of this app's tables (decision 0071)."""

from django.db import migrations

from governance.kernel.row_policies import own, shared, through

OWN = (
    "abuse_note", "appeal", "decision", "overturn", "provenance_waiver", "released_mark", "removal",
    "review_case", "strike", "user_report",
)


class Migration(migrations.Migration):
    dependencies = [
        ("moderation", "0004_provenance"),
        ("governance", "0012_row_level_security"),
    ]

    operations = [
        migrations.RunSQL(*step)
        for step in (
            *(own(f"moderation_{table}") for table in OWN),
            through("moderation_verdict", "decision_id", "moderation_decision"),
            *(shared(f"moderation_{table}") for table in ("policy", "policy_activation")),
        )
    ]
