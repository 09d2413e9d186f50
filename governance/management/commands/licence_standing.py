"""``manage.py licence_standing``: who may generate now, by which rule, on which facts."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.licensing.standing import Standing
from governance.models import Organization
from governance.operations.standing import refresh_standings
from governance.queries.standing import standing_of, standings
from governance.queries.standing_json import standing_to_json


class Command(BaseCommand):
    """Decides from the facts in the database; ``--refresh`` also keeps what it decided."""

    help = "Show how one organization, or all, stand to the licence."

    def add_arguments(self, parser: CommandParser) -> None:
        """``--organization SLUG`` or ``--all``; ``--json``; ``--at`` an ISO 8601 moment."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--organization", metavar="SLUG")
        which.add_argument("--all", action="store_true")
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--refresh", action="store_true")
        parser.add_argument("--at", type=datetime.fromisoformat)

    def handle(self, **options: Any) -> None:
        """Decide and print; exit status 1 where the organization is unknown."""
        at = options["at"] or now()
        if options["refresh"]:
            refresh_standings(organization_ids=None, at=at)
        if options["all"]:
            self._print_all(at, as_json=options["json"])
        else:
            self._print_one(options["organization"], at, as_json=options["json"])

    def _print_one(self, slug: str, at: datetime, *, as_json: bool) -> None:
        organization = Organization.objects.filter(slug=slug).first()
        if organization is None:
            raise CommandError(f"There is no organization {slug!r}.")
        standing = standing_of(organization.id, at=at)
        if as_json:
            self.stdout.write(json.dumps({"organization": slug, **standing_to_json(standing)}))
            return
        self.stdout.write(_line(slug, standing))
        for reason in standing.reasons:
            clause = f", {reason.citation}" if reason.citation else ""
            self.stdout.write(f"  {reason.rule}: {reason.fact}")
            self.stdout.write(f"    terms {reason.terms_version}; {reason.source}{clause}")
            self.stdout.write(f"    {reason.next_step}")

    def _print_all(self, at: datetime, *, as_json: bool) -> None:
        decided = standings(at)
        slugs = dict(Organization.objects.values_list("id", "slug"))
        worst_first = sorted(
            decided.items(), key=lambda item: (-item[1].status.severity, slugs[item[0]])
        )
        if as_json:
            rows = [{"organization": slugs[i], **standing_to_json(s)} for i, s in worst_first]
            counts = Counter(str(standing.status) for standing in decided.values())
            self.stdout.write(json.dumps({"at": at.isoformat(), "counts": counts, "rows": rows}))
            return
        for id_, standing in worst_first:
            self.stdout.write(_line(slugs[id_], standing))


def _line(slug: str, standing: Standing) -> str:
    may = "may generate" if standing.may_generate else "MAY NOT generate"
    seats = f"{standing.seats.used}/{standing.seats.limit} seats"
    reached = standing.seats.line_reached_on
    seats += f" (line reached on {reached})" if reached else ""
    grace = f", grace until {standing.grace_until:%Y-%m-%d %H:%M}" if standing.grace_until else ""
    return f"{slug:32} {standing.status:22} {may}, {seats}{grace}"
