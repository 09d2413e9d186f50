"""``manage.py erase_person``: forget somebody for ever."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.operations.audit_tree import sequence_entries
from governance.operations.audit_verification import verify_log
from governance.operations.erasure import erase_person

OPERATOR = Actor(kind="system", id="manage.py", label="operator at the command line")


class Command(BaseCommand):
    """Erases, then checks that the log still holds."""

    help = "Erase a person: nothing of theirs stays, and the audit log still verifies."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, why, and that it is meant."""
        parser.add_argument("email")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, **options: Any) -> None:
        """Ask, erase, verify."""
        if not options["yes"]:
            typed = input(f"This cannot be undone. Type {options['email']} to erase them: ")
            if typed.strip() != options["email"]:
                raise CommandError("Nothing was erased.")
        try:
            done = erase_person(
                email=options["email"], reason=options["reason"], actor=OPERATOR, at=now()
            )
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        sequence_entries()
        found = verify_log(full=True)
        if not found.holds:
            raise CommandError("The audit log does not hold: run `manage.py verify_audit --full`.")
        self.stdout.write(
            f"Erased. {done.entries} entries of the log can no longer be opened, {done.rows} rows were "
            f"changed elsewhere; the log still holds ({found.size:,} leaves)."
        )
