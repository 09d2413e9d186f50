"""``manage.py restore DIR``: a backup into an empty LICET_HOME or database."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from governance.kernel.errors import InvalidRequest
from governance.operations.backup import BackupFailed
from governance.operations.restoring import restore_backup


class Command(BaseCommand):
    """Never writes over a database that holds anything."""

    help = "Restore a backup into an empty database; then check_ledger and verify_audit."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where the backup is."""
        parser.add_argument("folder", type=Path)

    def handle(self, **options: Any) -> None:
        """Restore and say what is left to do; the last line is JSON."""
        try:
            restored = restore_backup(folder=options["folder"])
        except (InvalidRequest, BackupFailed) as failure:
            raise CommandError(str(failure)) from failure
        if restored.other_secrets and not restored.secrets_written:
            names = ", ".join(restored.other_secrets)
            self.stdout.write(
                f"Give back the secrets of the backup's time before a start: {names}."
            )
        self.stdout.write(
            "Now run `manage.py migrate`, `manage.py check_ledger` and `manage.py verify_audit --full`."
        )
        self.stdout.write(json.dumps(asdict(restored)))
