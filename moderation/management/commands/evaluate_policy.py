"""``manage.py evaluate_policy``: judge a labelled set under a drafted policy."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from moderation.operations.policies import LabelledPrompt, evaluate_policy

PROGRESS = 500


class Command(BaseCommand):
    """Keeps the figures with the policy; live and canary need them."""

    help = "Evaluate a drafted policy on JSON Lines of {text, label: safe or unsafe, source}."

    def add_arguments(self, parser: CommandParser) -> None:
        """The policy's hash and the file."""
        parser.add_argument("policy_hash")
        parser.add_argument("--input", type=Path, required=True)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Prints the figures as JSON, last line."""
        path: Path = options["input"]
        try:
            measure = evaluate_policy(
                policy_hash=options["policy_hash"],
                rows=self.rows(path),
                subject=path.name,
                actor=SYSTEM,
                at=now(),
            )
        except (DomainError, OSError, KeyError, json.JSONDecodeError) as failure:
            raise CommandError(f"{path.name} was not evaluated: {failure}") from failure
        self.stdout.write(json.dumps(measure.figures))

    def rows(self, path: Path) -> Iterator[LabelledPrompt]:
        """The labelled prompts of the file, with progress on standard error."""
        with path.open() as lines:
            for number, line in enumerate(lines, start=1):
                row = json.loads(line)
                if number % PROGRESS == 0:
                    self.stderr.write(f"{number} prompts judged")
                yield LabelledPrompt(row["text"], row["label"] == "unsafe", row.get("source", ""))
