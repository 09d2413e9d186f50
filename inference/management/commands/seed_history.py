"""``manage.py seed_history``: the demo organization's last thirty days."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from inference.engine.client import EngineNotReady, EngineProcess
from inference.operations.history.month import JOBS, is_seeded, seed_history

POLITENESS = 15
SHIPPED = settings.BASE_DIR / "inference" / "weights"


class Command(BaseCommand):
    """Idempotent; what is there stays. An engine of its own draws the pictures, out of others' way."""

    requires_system_checks: list[str] = []
    help = (
        "Give the demo organization a past: people, jobs, money, reviews. For demonstrations only."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """How much."""
        parser.add_argument("--organization", default="aurora-studio", help="slug")
        parser.add_argument("--jobs", type=int, default=JOBS, help=f"jobs ({JOBS})")

    def handle(self, **options: Any) -> None:
        """Seed and say so. Raises CommandError where real money moves, or no engine starts."""
        slug, jobs = options["organization"], options["jobs"]
        if settings.STRIPE_SECRET_KEY:
            raise CommandError("A past is made up for demonstrations only; here real money moves.")
        if is_seeded(slug):
            self.stdout.write(f"{slug} has its past")
            return
        if not Path(settings.MODEL_FOLDER).resolve().is_relative_to(SHIPPED):
            self.stdout.write(
                "Only a model that comes with Licet draws a past: no GPU is taken for it."
            )
            return
        os.nice(POLITENESS)
        engine = EngineProcess()
        try:
            engine.start(on_progress=self.stdout.write)
            made = seed_history(engine=engine, at=now(), slug=slug, jobs=jobs)
        except EngineNotReady as error:
            raise CommandError(f"No engine to draw the past with: {error}") from error
        finally:
            engine.kill()
        self.stdout.write(f"{slug} has a past of {made} jobs")
