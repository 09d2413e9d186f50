"""The embedded servers for manage.py commands while no stack runs."""

import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from types import FrameType

from governance.env import Env
from governance.stack.generated_secrets import complete_secrets, given_secrets
from governance.stack.layout import Layout
from governance.stack.processes import Fate
from governance.stack.servers import Servers, borrowed, embedded_servers

# Commands that touch neither database nor cache. Every other one finds both running.
NEED_NO_SERVERS = frozenset(
    [
        *("check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "help"),
        *("makemessages", "makemigrations", "settings", "spectacular", "startapp", "version"),
        *("--help", "-h", "--version"),
    ]
)


def servers_for(arguments: list[str], env: Env) -> AbstractContextManager[None]:
    """Hold the servers that one command line needs; nothing where none are needed."""
    name = arguments[0] if arguments else "help"
    if name in NEED_NO_SERVERS or "--help" in arguments or "-h" in arguments:
        return nullcontext()
    layout = Layout(env.home.resolve())
    layout.prepare()
    if complete_secrets(layout, given=given_secrets(env)):
        # The settings were read before these secrets existed: begin again, this one time.
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
    if env.database_url and env.redis_url:
        return nullcontext()
    signal.signal(signal.SIGTERM, leave)
    return borrowed(layout, make=lambda: wanted_servers(layout, env))


def wanted_servers(layout: Layout, env: Env) -> Servers:
    """The servers for which the operator gave no address. They outlive us if others share them."""
    return embedded_servers(
        layout, fate=Fate(None), database=not env.database_url, redis=not env.redis_url
    )


def leave(number: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an orderly exit, so that the servers are given back."""
    sys.exit(128 + number)
