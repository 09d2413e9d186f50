"""``manage.py close_statements``: close last month for everybody, and check every chain."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.timezone import now

from billing.operations.statements import close_due_statements


class Command(BaseCommand):
    """Safe to repeat; a month is closed once."""

    help = "Close last month's statements."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """How many were closed."""
        self.stdout.write(f"{close_due_statements(at=now())} statements closed")
