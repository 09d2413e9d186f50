"""``manage.py seed_history``: the demo organization's last thirty days."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.timezone import now

from inference.operations.history.month import JOBS, seed_history


class Command(BaseCommand):
    """Idempotent; what is there stays."""

    requires_system_checks: list[str] = []
    help = "Give the demo organization a past: people, jobs, money, reviews."

    def add_arguments(self, parser: CommandParser) -> None:
        """How much."""
        parser.add_argument("--organization", default="aurora-studio", help="slug")
        parser.add_argument("--jobs", type=int, default=JOBS, help=f"jobs ({JOBS})")

    def handle(self, **options: Any) -> None:
        """Seed and say so."""
        made = seed_history(at=now(), slug=options["organization"], jobs=options["jobs"])
        self.stdout.write(f"{options['organization']} has a past of {made} jobs")
