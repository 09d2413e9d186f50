"""Row-level security: what a tenant's request may see of this app's tables (decision 0071)."""

from django.db import migrations

from governance.kernel.row_policies import own, shared, through

OWN = (
    "adapter", "artifact", "generation", "idempotency_key", "image_retention", "moodboard", "rights_attestation",
    "style_reference", "tenant_share", "training_dataset", "training_item", "training_job", "training_sample",
)


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0008_failed_generations"),
        ("governance", "0012_row_level_security"),
    ]

    operations = [
        migrations.RunSQL(*step)
        for step in (
            *(own(f"inference_{table}") for table in OWN),
            through("inference_training_loss", "job_id", "inference_training_job"),
            shared("inference_engine_status"),
        )
    ]
