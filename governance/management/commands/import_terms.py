"""``manage.py import_terms``: the official text of the licence, the policy or the notice."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from governance.models import DocumentKind
from governance.operations.terms import OfficialText, import_document
from governance.queries.terms import newest_terms
from governance.queries.terms_difference import terms_difference, text_changed

OPERATOR = Actor(kind="system", id="manage.py", label="operator at the command line")


class Command(BaseCommand):
    """Makes the new version and shows what changed, clause by clause."""

    help = "Import an official text as a new version of the terms; everyone is asked to accept."

    def add_arguments(self, parser: CommandParser) -> None:
        """The text, where it is from, and its hash where the operator knows it."""
        parser.add_argument("--kind", choices=DocumentKind.values, required=True)
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--title", default="")
        parser.add_argument("--document-version", default="")
        parser.add_argument("--dated", type=date.fromisoformat)
        parser.add_argument("--source", default="")
        parser.add_argument("--sha256", default="")
        parser.add_argument("--clauses", type=Path, help="JSON list of {number, title, summary}")
        parser.add_argument("--label", required=True)
        parser.add_argument(
            "--effective",
            type=datetime.fromisoformat,
            help="ISO 8601 moment from which it applies; now where it is not given",
        )

    def handle(self, **options: Any) -> None:
        """Import and print the comparison with the version before."""
        at = now()
        before = newest_terms()
        effective = options["effective"] or at
        if effective.tzinfo is None:
            effective = effective.replace(tzinfo=at.tzinfo)
        previous = getattr(before, options["kind"])
        clauses = json.loads(options["clauses"].read_text()) if options["clauses"] else ()
        document = OfficialText(
            kind=DocumentKind(options["kind"]),
            title=options["title"] or previous.title,
            version=options["document_version"] or previous.version,
            dated=options["dated"] or previous.dated,
            text=options["file"].read_text(),
            source=options["source"],
            clauses=tuple(clauses),
            sha256=options["sha256"],
        )
        try:
            after = import_document(
                document=document,
                label=options["label"],
                effective_from=effective,
                actor=OPERATOR,
                at=at,
            )
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        for change in terms_difference(before, after):
            if change.change != "same":
                self.stdout.write(f"{change.document} {change.number}: {change.change}")
                self.stdout.write(f"  - {change.before}\n  + {change.after}")
        self.stdout.write(
            json.dumps(
                {
                    "version": after.label,
                    "sha256": after.sha256,
                    "effective_from": after.effective_from.isoformat(),
                    "texts_changed": text_changed(before, after),
                }
            )
        )
