"""``manage.py doctor``: what is broken here, and what to do about it."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.timezone import now

from governance.kernel.diagnosis import Health
from governance.operations.examining import Finding, examine_all


class Command(BaseCommand):
    """Exit status 1 when a part is broken; warnings leave it 0."""

    help = "Examine every part, one line each, with the remedy of what is broken."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """For people by default."""
        parser.add_argument("--json", action="store_true", help="one line of JSON only")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Examine, print, end with the status."""
        findings = examine_all(at=now())
        broken = sum(finding.health is Health.BROKEN for finding in findings)
        warnings = sum(finding.health is Health.WARNING for finding in findings)
        if options["json"]:
            parts = [asdict(finding) for finding in findings]
            self.stdout.write(json.dumps({"broken": broken, "warnings": warnings, "parts": parts}))
        else:
            for finding in findings:
                self.stdout.write(line_of(finding))
            self.stdout.write(f"{len(findings)} parts, {broken} broken, {warnings} warnings")
        if broken:
            sys.exit(1)


def line_of(finding: Finding) -> str:
    """One part, for people."""
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    return f"{finding.health:<7} {finding.name}: {finding.detail}{remedy}"
