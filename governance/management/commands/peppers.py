"""``manage.py peppers``: whether an older pepper of the API keys may be dropped."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from governance.kernel.secrets import pepper_mark
from governance.queries.api_keys import keys_under_each_pepper


class Command(BaseCommand):
    """Counts live keys by the pepper that they are kept under."""

    help = "Count live API keys by pepper; one without keys may leave LICET_OLDER_API_KEY_PEPPERS."

    def handle(self, **_options: Any) -> None:
        """One line per pepper; keys under none of them can never be used again."""
        peppers = settings.API_KEY_PEPPERS
        counts = keys_under_each_pepper()
        # Rows from before marks were made under whatever pepper was in use: unknown until used.
        names = {"": "not known yet (unused since marks exist)", peppers.mark: "in use"}
        names |= {pepper_mark(older): "older" for older in peppers.older}
        for mark, name in names.items():
            self.stdout.write(f"{mark or '-':<9} {counts.pop(mark, 0):>7} keys  {name}")
        for mark, number in counts.items():
            self.stdout.write(f"{mark:<9} {number:>7} keys  not configured: these keys are dead")
