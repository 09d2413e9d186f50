"""``manage.py engine_health``: do the engines of this host report? For a container's probes."""

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.utils import DatabaseError, InterfaceError
from django.utils.timezone import now

from inference.queries.engines import READY_WITHIN, SEEN_WITHIN, SERVING, engines_of_host


class Command(BaseCommand):
    """Exit status 1 when an engine of this host is silent, or with --ready does not serve."""

    help = "Whether the engines of this host report; with --ready whether they serve."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Alive by default."""
        parser.add_argument("--ready", action="store_true", help="loaded, tested and serving")

    def handle(self, **options: Any) -> None:
        """Look. Without --ready a database that does not answer is no reason to restart a worker."""
        try:
            engines = engines_of_host(socket.gethostname())
        except (DatabaseError, InterfaceError) as failure:
            if options["ready"]:
                raise CommandError(f"the database does not answer: {failure}") from failure
            self.stdout.write("the database does not answer; nothing is known")
            return
        within = READY_WITHIN if options["ready"] else SEEN_WITHIN
        bad = [
            f"{engine.worker} {engine.state} {engine.detail}".strip()
            for engine in engines
            if now() - engine.seen_at > within or (options["ready"] and engine.state not in SERVING)
        ]
        if bad or not engines:
            raise CommandError("; ".join(bad) or "no engine of this host has reported yet")
        self.stdout.write(", ".join(f"{engine.worker} {engine.state}" for engine in engines))
