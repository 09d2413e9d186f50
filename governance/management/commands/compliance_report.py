"""``manage.py compliance_report``: one signed bundle of an organization or the whole deployment."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.operations.compliance_reports import request_report
from governance.queries.organizations import organization_by_slug
from governance.reports.making import write_report

OPERATOR = Actor(kind="system", id="manage.py", label="operator at the command line")


class Command(BaseCommand):
    """Writes the zip and prints what it says."""

    help = "Make the compliance report of a month (2026-10), quarter (2026-Q4) or year (2026)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, when, where to."""
        parser.add_argument("--organization", help="its slug; without it, the whole deployment")
        parser.add_argument("--period", required=True, help="2026-10, 2026-Q4 or 2026")
        parser.add_argument("--out", type=Path, default=Path(), help="folder for the bundle")

    def handle(self, **options: Any) -> None:
        """Make it, with progress on the error stream."""
        began, at, slug = time.monotonic(), now(), options["organization"]
        try:
            organization = organization_by_slug(slug) if slug else None
            request_report(
                organization_id=organization.id if organization else None,
                period=options["period"],
                actor=OPERATOR,
                at=at,
            )
            options["out"].mkdir(parents=True, exist_ok=True)
            path = options["out"] / f"compliance-{slug or 'deployment'}-{options['period']}.zip"
            with path.open("w+b") as target:
                report = write_report(
                    organization, options["period"], target, at=now(), note=self._note
                )
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        status = report.document["status"]
        self.stdout.write(status["sentence"])
        self.stdout.write(
            json.dumps(
                {
                    "bundle": str(path),
                    "result": status["result"],
                    "entries": report.document["figures"]["entries"],
                    "differences": status["differences"],
                    "seconds": round(time.monotonic() - began, 2),
                }
            )
        )

    def _note(self, percent: int, step: str) -> None:
        self.stderr.write(f"  {percent:3d} %  {step}")
