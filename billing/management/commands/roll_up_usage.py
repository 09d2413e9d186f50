"""``manage.py roll_up_usage``: make the days of usage anew, for instance after a restore."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.timezone import now

from billing.operations.rollups import roll_up_recent


class Command(BaseCommand):
    """Safe to repeat; holds and journal stay the truth."""

    help = "Make usage by day anew from holds and journal."

    def add_arguments(self, parser: CommandParser) -> None:
        """How far back."""
        parser.add_argument("--days", type=int, default=35, help="days, today included (35)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """One transaction a day."""
        rows = roll_up_recent(at=now(), days=options["days"])
        self.stdout.write(f"{options['days']} days, {rows:,} rows")
