"""``manage.py openapi``: keep docs/openapi.json true."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance.openapi import FILE, generated


class Command(BaseCommand):
    """Write or check the description of the API."""

    help = "Write docs/openapi.json from the views, or fail when it is out of date."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("--check", action="store_true", help="fail when it is out of date")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write, or check."""
        made = generated()
        if not options["check"]:
            FILE.write_text(made)
        elif not FILE.exists() or FILE.read_text() != made:
            raise CommandError(
                "docs/openapi.json is out of date: run `.venv/bin/python manage.py openapi`."
            )
