"""``manage.py seal_policy``: pins the shipped policy to the classifiers that are here."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from moderation.classifiers.registry import unpinned
from moderation.kernel import bundles


class Command(BaseCommand):
    """Run after training or upgrading a classifier: the policy then names its new version."""

    help = "Pin version and weights hash of every classifier in a policy file to those installed."

    def add_arguments(self, parser: CommandParser) -> None:
        """The policy file; by default the shipped one."""
        parser.add_argument("--policy", type=Path, default=bundles.DEFAULT)
        parser.add_argument("--check", action="store_true", help="change nothing, fail if stale")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Rewrites the pins in place and prints the bundle's hash."""
        path: Path = options["policy"]
        document = json.loads(path.read_text())
        before = json.dumps(document)
        for stage in document["stages"].values():
            for entry in stage["classifiers"]:
                classifier = unpinned(entry["name"])
                entry["version"] = classifier.version
                entry["weights_sha256"] = classifier.weights_sha256
        stale = json.dumps(document) != before
        if options["check"] and stale:
            raise SystemExit(f"{path.name} pins other classifiers than those here: seal it again")
        if stale:
            path.write_text(json.dumps(document, indent=2) + "\n")
        self.stdout.write(f"{document['version']} {bundles.parse(document).hash}")
