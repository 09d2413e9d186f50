"""``manage.py revoke_api_key``: for the operator, when a key has leaked."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.actors import Actor
from governance.models import ApiKey
from governance.operations.api_keys import revoke_api_key

OPERATOR = Actor(kind="system", id="manage.py", label="operator at the command line")


class Command(BaseCommand):
    """Revokes one key at once."""

    help = "Revoke an API key by its id or by what the portal shows of it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Either ``--id`` or ``--prefix`` (``lct_live_…a1B2``, or only its last four)."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--id", type=UUID)
        which.add_argument("--prefix")

    def handle(self, **options: Any) -> None:
        """Revoke; fails where no key or more than one fits."""
        key = self._find(**options)
        revoke_api_key(key_id=key.id, organization_id=key.organization_id, actor=OPERATOR, at=now())
        self.stdout.write(f"Revoked {key.prefix} ({key.name}) of {key.organization.slug}.")

    def _find(self, **options: Any) -> ApiKey:
        keys = ApiKey.objects.select_related("organization")
        if options["id"]:
            found = list(keys.filter(id=options["id"]))
        else:
            found = list(keys.filter(last_four=options["prefix"][-4:], revoked_at=None))
            if options["prefix"].startswith("lct_test"):
                found = [key for key in found if key.mode == "test"]
        if len(found) != 1:
            shown = ", ".join(f"{key.id} ({key.organization.slug})" for key in found) or "none"
            raise CommandError(f"Keys that fit: {shown}. Name one by --id.")
        return found[0]
