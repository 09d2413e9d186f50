"""``manage.py export_audit --out DIR``: the whole audit log, to be checked elsewhere."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.timezone import now

from governance.operations.audit_tree import publish_checkpoint, sequence_entries
from governance.reports.export import export_log


class Command(BaseCommand):
    """Signs what is there and writes it out."""

    help = "Export the audit log with its signed checkpoints and verify.py."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to."""
        parser.add_argument("--out", type=Path, required=True)

    def handle(self, **options: Any) -> None:
        """Sequence, sign, write."""
        sequence_entries()
        publish_checkpoint(at=now())
        count = export_log(options["out"])
        self.stdout.write(
            f"{count:,} leaves. Check them: python {options['out']}/verify.py {options['out']}"
        )
