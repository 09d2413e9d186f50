"""Row-level security: what a tenant's request may see of this app's tables (decision 0071)."""

from django.db import migrations

from governance.kernel.row_policies import own, shared

OWN = (
    "adapter", "artifact", "generation", "idempotency_key", "image_retention", "tenant_share",
)


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0003_public_api"),
        ("governance", "0012_row_level_security"),
    ]

    operations = [
        migrations.RunSQL(*step)
        for step in (
            *(own(f"inference_{table}") for table in OWN),
            shared("inference_engine_status"),
        )
    ]
