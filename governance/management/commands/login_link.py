"""``manage.py login_link``: a one-time link for a person who is locked out."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.models import User
from governance.operations.login_links import create_login_link


class Command(BaseCommand):
    """Prints a link that signs one person in, once, within 24 hours."""

    help = "Print a one-time login link for a person."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--email``: whose link."""
        parser.add_argument("--email", required=True)

    def handle(self, **options: Any) -> None:
        """Make the link; fails where nobody has this address."""
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError(f"Nobody active has the address {options['email']}.")
        token = create_login_link(user=user, at=now())
        self.stdout.write(f"{settings.PUBLIC_URL}/login/{token}/")
