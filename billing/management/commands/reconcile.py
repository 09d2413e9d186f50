"""``manage.py reconcile``: compare the journal with everything around it, now."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.timezone import now

from billing.gateways.configured import configured_gateway
from billing.models import Difference
from billing.operations.reconciliation import reconcile


class Command(BaseCommand):
    """Exit status 0 when everything agrees, 1 with differences; corrects nothing."""

    help = "Compare the journal with the payment provider, jobs, decisions and roll-ups."

    def add_arguments(self, parser: CommandParser) -> None:
        """How far back."""
        parser.add_argument("--days", type=int, default=30, help="days to look back (30)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Every open difference with its age, then the sum."""
        run = reconcile(gateway=configured_gateway(), at=now(), days=options["days"])
        for row in Difference.objects.filter(gone_at=None).order_by("first_seen_at"):
            self.stdout.write(
                f"since {row.first_seen_at:%Y-%m-%d %H:%M} {row.kind}: {row.subject}: {row.detail}"
            )
        self.stdout.write(f"{run.checked:,} rows compared, {run.differences} differences")
        if run.differences:
            sys.exit(1)
