"""``manage.py up``: the whole product on this machine, from nothing."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from governance.env import BASE_DIR, Env, env
from governance.stack.announcement import Announcement
from governance.stack.generated_secrets import complete_secrets, given_secrets
from governance.stack.layout import Layout
from governance.stack.plan import real_plan
from governance.stack.supervisor import Place, Stack


class Command(BaseCommand):
    """Start servers, web, worker and beat; say how to use them; stop them at Ctrl-C."""

    help = "Start everything, print the address, a login link and a key, and stop it at Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument(
            "--json",
            action="store_true",
            help='print only one line {"url", "login_url", "api_key", "organization"} once ready',
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run until stopped; raises StackError, which manage.py prints as one sentence."""
        place = place_from(env)
        place.layout.prepare()
        complete_secrets(place.layout, given=given_secrets(env))

        def announce(facts: Announcement) -> None:
            home = str(place.layout.home)
            self.stdout.write(facts.as_json() if options["json"] else facts.as_text(home=home))
            self.stdout.flush()

        plan = real_plan(place.layout, port=env.port, root=BASE_DIR, log_level=env.log_level)
        Stack(
            place,
            plan,
            embed_database=not env.database_url,
            embed_redis=not env.redis_url,
            announce=announce,
        ).run()


def place_from(env: Env) -> Place:
    """Home, port and address as the operator set them."""
    hosts = [host.strip() for host in env.allowed_hosts.split(",") if host.strip(" *.")]
    return Place(
        layout=Layout(Path(env.home).resolve()),
        root=BASE_DIR,
        port=env.port,
        url=env.base_url,
        host=hosts[0] if hosts else "127.0.0.1",
    )
