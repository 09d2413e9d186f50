"""The first terms, wherever a database has none: after a migration or an emptied test database."""

from datetime import UTC, datetime

from django.db import transaction

from governance.licensing import seeded
from governance.models import KillSwitch, TermsDocument, TermsVersion


@transaction.atomic
def write_first_terms() -> None:
    """Write the seeded terms and the row of the kill switch where they are missing. Idempotent."""
    KillSwitch.objects.get_or_create(id=1)
    if TermsVersion.objects.exists():
        return
    at = datetime.now(UTC)
    documents = {
        row["kind"]: TermsDocument.objects.create(created_at=at, **row) for row in seeded.DOCUMENTS
    }
    hashes = [documents[kind].sha256 for kind in ("licence", "policy", "notice")]
    TermsVersion.objects.create(
        label=seeded.LABEL,
        effective_from=seeded.EFFECTIVE_FROM,
        rules=seeded.RULES,
        sha256=seeded.version_sha256(seeded.RULES, hashes),
        reason="seeded",
        created_at=at,
        created_by="migration",
        **documents,
    )
