#!/usr/bin/env python
"""Licet's command line: ``python manage.py help`` lists what there is."""

import os
import sys

# These run without Django's app registry: they start or remove what Django would need.
STACK_COMMANDS = ("up", "reset")


def main() -> None:
    """Run one management command; what a person can mend is one sentence, exit 1."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    from pydantic import ValidationError

    from governance.stack.errors import StackError

    try:
        run(sys.argv)
    except StackError as error:
        sys.exit(f"licet: {error}")
    except ValidationError as error:
        if error.title != "Env":
            raise
        wrong = "; ".join(f"{part['loc'] or ''} {part['msg']}" for part in error.errors())
        sys.exit(f"licet: a setting is wrong: {wrong}. `manage.py settings` lists them.")


def run(arguments: list[str]) -> None:
    """Hand over to Django, with the embedded servers running where the command needs them."""
    if arguments[1:2] and arguments[1] in STACK_COMMANDS:
        from importlib import import_module

        module = import_module(f"governance.management.commands.{arguments[1]}")
        module.Command().run_from_argv(arguments)
        return
    from django.core.management import execute_from_command_line

    from governance.env import env
    from governance.stack.borrowing import servers_for

    with servers_for(arguments[1:], env):
        execute_from_command_line(arguments)


if __name__ == "__main__":
    main()
