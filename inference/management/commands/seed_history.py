"""``manage.py seed_history``: the demo organization's last thirty days."""

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.stack.layout import Layout
from inference.engine.attempts import EngineLost, EngineNotReady
from inference.engine.client import EngineProcess
from inference.operations.history.month import DEMO, JOBS, seed_history

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
        parser.add_argument("--jobs", type=int, default=JOBS, help=f"jobs ({JOBS})")

    def handle(self, **options: Any) -> None:
        """Seed and say so. Raises CommandError where real money moves, and where jobs are left."""
        if settings.STRIPE_SECRET_KEY:
            raise CommandError("A past is made up for demonstrations only; here real money moves.")
        note, jobs = Layout(settings.LICET_HOME).history, options["jobs"]
        if Path(settings.MODEL_FOLDER).resolve().is_relative_to(SHIPPED):
            os.nice(POLITENESS)
            made = self.draw(jobs)
            if made < jobs:
                raise CommandError(
                    f"{made} of {jobs} jobs are there: others had jobs of their own. Run it again."
                )
            self.stdout.write(f"{DEMO} has a past of {made} jobs")
        else:
            made = 0
            self.stdout.write(
                "Only a model that comes with Licet draws a past: no GPU is taken for it."
            )
        note.write_text(json.dumps({"jobs": made}))

    def draw(self, jobs: int) -> int:
        """With an engine of its own; how many jobs are there. Raises CommandError."""
        engine = EngineProcess()
        try:
            engine.start(on_progress=self.stdout.write)
            return seed_history(engine=engine, at=now(), jobs=jobs)
        except (EngineNotReady, EngineLost) as error:
            raise CommandError(f"No engine draws the past: {error}. Run it again.") from error
        finally:
            engine.kill()
