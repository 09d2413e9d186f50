"""``manage.py check_ledger``: assert every invariant of the money."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing.operations.resolution import job_states
from billing.queries.invariants import ledger_findings

SHOWN = 20


class Command(BaseCommand):
    """Exit status 0 when nothing is wrong, 1 when something is."""

    help = "Check every invariant of the ledger; says how many rows were checked and what is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        """For people by default."""
        parser.add_argument("--json", action="store_true", help="one line of JSON only")

    def handle(self, *_args: Any, **options: Any) -> None:
        """One line per invariant, then the sum."""
        findings = []
        for finding in ledger_findings(job_states):
            findings.append(finding)
            if not options["json"]:
                mark = "wrong" if finding.violations else "ok   "
                self.stdout.write(f"{mark} {finding.name}: {finding.checked:,} rows")
                for violation in finding.violations[:SHOWN]:
                    self.stdout.write(f"      {violation}")
        checked = sum(finding.checked for finding in findings)
        violations = sum(len(finding.violations) for finding in findings)
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "checked": checked,
                        "violations": violations,
                        "invariants": {f.name: len(f.violations) for f in findings},
                    }
                )
            )
        else:
            self.stdout.write(f"{checked:,} rows checked, {violations} violations")
        if violations:
            sys.exit(1)
