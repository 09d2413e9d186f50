"""The whole log in a folder, with the program that checks it without us."""

import json
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from governance.models import AuditCheckpoint
from governance.operations.audit_tree import audit_signer

HERE = Path(__file__).parent
ROWS = 10_000


@transaction.atomic
def export_log(folder: Path) -> int:
    """Write every leaf and every signed checkpoint to ``folder``; returns the leaves.

    ``python folder/verify.py folder`` checks them. Leaves that no checkpoint covers yet are included.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes = list(AuditCheckpoint.objects.order_by("size").values_list("note", flat=True))
    (folder / "checkpoints.json").write_text(json.dumps(notes, ensure_ascii=False))
    (folder / "former_keys.json").write_text(json.dumps(sorted(settings.AUDIT_FORMER_KEYS)))
    (folder / "key.txt").write_text(audit_signer().verifier_key + "\n")
    (folder / "verify.py").write_bytes((HERE / "verify.py").read_bytes())
    count = 0
    with (folder / "entries.jsonl").open("w") as lines, connection.chunked_cursor() as cursor:
        cursor.execute("SELECT data FROM governance_audit_leaf ORDER BY index")
        while rows := cursor.fetchmany(ROWS):
            lines.write("".join(f"{row[0]}\n" for row in rows))
            count += len(rows)
    return count
