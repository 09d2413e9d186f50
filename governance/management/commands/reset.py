"""``manage.py reset``: forget everything on this machine."""

from typing import Any

from django.core.management.base import BaseCommand

from governance.env import DEFAULT_HOME, env
from governance.stack.layout import Layout
from governance.stack.removal import check_is_home, remove_state, stop_everything


class Command(BaseCommand):
    """Stop the servers of LICET_HOME and delete their data, the images and the secrets."""

    help = "Stop what runs on LICET_HOME and delete its data, images and secrets. Asks nothing."
    requires_system_checks: list[str] = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Say what was removed."""
        layout = Layout(env.home.resolve())
        if not layout.home.exists():
            self.stdout.write(f"Nothing to remove: {layout.home} does not exist.")
            return
        check_is_home(layout)
        stop_everything(layout)
        for path in remove_state(layout, whole=layout.home == DEFAULT_HOME.resolve()):
            self.stdout.write(f"removed {path}")
