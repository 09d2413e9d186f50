"""``manage.py seed_demo``: the demo organization, its key and a login link."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.timezone import now

from governance.operations.demo import seed_demo


class Command(BaseCommand):
    """Idempotent; the last line is one JSON object."""

    requires_system_checks: list[str] = []
    help = "Make the demo organization, or what is missing of it, and print how to get in."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--json``: nothing but the JSON."""
        parser.add_argument("--json", action="store_true")

    def handle(self, **options: Any) -> None:
        """Seed and print."""
        demo = seed_demo(at=now())
        if not options["json"]:
            self.stdout.write(f"Aurora Studio is ready. Sign in once with {demo.login_url}")
        self.stdout.write(json.dumps(asdict(demo)))
