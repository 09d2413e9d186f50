"""``manage.py backup DIR``: database, blobs and a manifest."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.errors import InvalidRequest
from governance.operations.backup import BackupFailed, make_backup, secret_marks


class Command(BaseCommand):
    """The stack may run meanwhile."""

    help = "Write a backup to a new folder. Secrets are named, and copied only with --with-secrets."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, and whether with secrets."""
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--with-secrets",
            action="store_true",
            help="copy LICET_HOME/secrets.json as well: keep that backup as safe as the secrets",
        )

    def handle(self, **options: Any) -> None:
        """Write it; the last line is JSON."""
        try:
            made = make_backup(
                folder=options["folder"], with_secrets=options["with_secrets"], at=now()
            )
        except (InvalidRequest, BackupFailed) as failure:
            raise CommandError(str(failure)) from failure
        if not made.secrets:
            names = ", ".join(secret_marks())
            self.stdout.write(f"Not in it, keep them elsewhere: {names}.")
        result = {
            "folder": str(made.folder),
            "dump_bytes": made.dump_bytes,
            "blobs": made.blobs,
            "secrets": made.secrets,
        }
        self.stdout.write(json.dumps(result))
