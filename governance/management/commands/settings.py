"""``manage.py settings``: every setting an operator may give."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.env import BASE_DIR, env
from governance.settings_reference import PAGE, as_page, as_text


class Command(BaseCommand):
    """List the settings with their present values, or write their page of the docs."""

    help = "List every setting with its present value; secrets are not shown."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("--write", action="store_true", help=f"write {PAGE}")
        parser.add_argument("--check", action="store_true", help=f"fail when {PAGE} is out of date")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print, write or check."""
        page = BASE_DIR / PAGE
        if options["write"]:
            page.write_text(as_page())
        elif not options["check"]:
            self.stdout.write(as_text(env))
        elif not page.exists() or page.read_text() != as_page():
            raise CommandError(
                f"{PAGE} is out of date: run `.venv/bin/python manage.py settings --write`."
            )
