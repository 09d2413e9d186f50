"""``manage.py verify_audit``: whether the audit log is what was signed."""

import json
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from governance.operations.audit_tree import sequence_entries
from governance.operations.audit_verification import verify_log

SHOWN = 20


class Command(BaseCommand):
    """Prints what is wrong; exits with 1 where anything is."""

    help = "Verify the audit log: signatures, roots and counts; with --full every single entry."

    def add_arguments(self, parser: CommandParser) -> None:
        """How thorough."""
        parser.add_argument(
            "--full", action="store_true", help="make each leaf again from its entry"
        )

    def handle(self, **options: Any) -> None:
        """Sequence what waits, verify, print a sentence and one line of JSON."""
        began = time.monotonic()
        sequence_entries()
        found = verify_log(full=options["full"], progress=self._progress)
        for finding in found.findings[:SHOWN]:
            self.stderr.write(f"  {finding}")
        result = {
            "holds": found.holds,
            "leaves": found.size,
            "entries_checked": found.entries_checked,
            "checkpoints": found.checkpoints,
            "pending": found.pending,
            "findings": len(found.findings),
            "seconds": round(time.monotonic() - began, 2),
        }
        if not found.holds:
            raise CommandError(f"The audit log does not hold.\n{json.dumps(result)}")
        self.stdout.write(
            f"The audit log holds: {found.size:,} leaves, {found.checkpoints:,} signed checkpoints."
        )
        self.stdout.write(json.dumps(result))

    def _progress(self, checked: int) -> None:
        if checked % 50_000 == 0:
            self.stderr.write(f"  {checked:,} entries checked")
