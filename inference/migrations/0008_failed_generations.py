"""The last failures are found without reading every generation."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Concurrently: generations are written all the time."""

    atomic = False

    dependencies = [("inference", "0007_training")]

    operations = [
        AddIndexConcurrently(
            model_name="generation",
            index=models.Index(
                condition=models.Q(("state", "failed")),
                fields=["-finished_at"],
                name="generation_failed",
            ),
        ),
    ]
