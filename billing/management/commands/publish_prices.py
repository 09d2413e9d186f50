"""``manage.py publish_prices FILE``: draft, simulate on the last 30 days, and with --publish bind."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from billing.operations.prices import draft_prices, publish_prices, simulate_prices
from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from governance.kernel.money import format_usd


class Command(BaseCommand):
    """Prices change without a deployment; jobs that run keep their quotes."""

    help = "Simulate a price list (JSON) on the last 30 days; with --publish, make it binding."

    def add_arguments(self, parser: CommandParser) -> None:
        """The list, its name and when it begins."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--label", default="Price list")
        parser.add_argument("--from", dest="effective_from", type=datetime.fromisoformat)
        parser.add_argument("--publish", action="store_true", help="make it binding from --from on")

    def handle(self, *_args: Any, **options: Any) -> None:
        """The simulation in figures, then the date if it was published."""
        body = json.loads(options["file"].read_text())
        at, begins = now(), options["effective_from"]
        try:
            simulation = simulate_prices(body=body, at=at)
            self.stdout.write(
                f"{simulation.jobs:,} jobs of the last 30 days: {format_usd(simulation.charged)} "
                f"charged, {format_usd(simulation.would_charge)} by this list"
            )
            if not options["publish"]:
                return
            if begins is None or begins.tzinfo is None:
                raise CommandError(
                    "--publish needs --from with a time zone: 2027-01-01T00:00:00+00:00"
                )
            draft = draft_prices(
                label=options["label"], effective_from=begins, body=body, actor=SYSTEM, at=at
            )
            publish_prices(version_id=draft.id, actor=SYSTEM, at=at)
        except DomainError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(f"Published; binding from {begins.isoformat()}.")
