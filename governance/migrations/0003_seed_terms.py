"""The terms of 2026-06-22: licence v.1, Acceptable Use Policy, notice, and the rules."""

from datetime import UTC, datetime

from django.db import migrations

from governance.kernel.ids import uuid7
from governance.licensing import seeded


def seed(apps, schema_editor):
    """Write the documents, the version and the switch; nothing where a version exists."""
    TermsDocument = apps.get_model("governance", "TermsDocument")
    TermsVersion = apps.get_model("governance", "TermsVersion")
    apps.get_model("governance", "KillSwitch").objects.get_or_create(id=1)
    if TermsVersion.objects.exists():
        return
    at = datetime.now(UTC)
    documents = {
        row["kind"]: TermsDocument.objects.create(id=uuid7(), created_at=at, **row)
        for row in seeded.DOCUMENTS
    }
    TermsVersion.objects.create(
        id=uuid7(),
        label=seeded.LABEL,
        effective_from=seeded.EFFECTIVE_FROM,
        rules=seeded.RULES,
        sha256=seeded.version_sha256(
            seeded.RULES, [documents[kind].sha256 for kind in ("licence", "policy", "notice")]
        ),
        reason="seeded",
        created_at=at,
        created_by="migration 0003",
        **documents,
    )


class Migration(migrations.Migration):
    # A version that was accepted is evidence, so nothing is taken away again.
    dependencies = [("governance", "0002_licence")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
