"""``manage.py evaluate_model``: does the model draw the colour, shape and background asked for?"""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.engine.card import read_card


class Command(BaseCommand):
    """Generates from held-out captions and measures the pictures' pixels."""

    help = __doc__ or ""
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """What to measure, and how."""
        parser.add_argument("--model", default=settings.MODEL_FOLDER, help="folder of the model")
        parser.add_argument("--captions", type=int, default=240)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--json", action="store_true", help="one line of JSON only")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Progress on standard error, the shares on standard output."""
        try:
            from inference.engine.loading import ModelNotLoaded  # noqa: PLC0415 (torch on demand)
            from inference.engine.quality import evaluate_model  # noqa: PLC0415
        except ModuleNotFoundError as missing:
            raise CommandError(
                f"{missing.name} is not installed. Run `make venv`, or install licet[engine]."
            ) from missing
        card = read_card(options["model"])
        try:
            shares = evaluate_model(
                options["model"],
                captions=options["captions"],
                seed=options["seed"],
                steps=int(card.get("steps", 8)),
                guidance=float(card.get("guidance", 0.0)),
                side=int(card.get("default_side", 256)),
                threads=settings.ENGINE_THREADS,
                report=self.progress,
            )
        except ModelNotLoaded as error:
            raise CommandError(str(error)) from error
        self.stderr.write("")
        if options["json"]:
            self.stdout.write(json.dumps(shares))
            return
        for name, value in shares.items():
            self.stdout.write(
                f"{name:12} {value:.3f}" if name != "captions" else f"captions {value}"
            )

    def progress(self, text: str) -> None:
        """One line that rewrites itself."""
        self.stderr.write(f"\r{text:60}", ending="")
        self.stderr.flush()
