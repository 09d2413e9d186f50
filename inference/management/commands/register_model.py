"""``manage.py register_model``: put weights on record, so that engines may serve them."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.actors import SYSTEM
from governance.kernel.errors import DomainError
from governance.operations.releases import register_release

# As published: turbo is distilled to 8 steps without guidance, raw needs 52 with guidance 3.5.
DEFAULTS = {"turbo": {"steps": 8, "guidance": 0.0}, "raw": {"steps": 52, "guidance": 3.5}}


class Command(BaseCommand):
    """Hashes every file and registers the release; the engine compares the hashes when it loads."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        """What, under which name, for which requests."""
        parser.add_argument("model", help="folder, repository id or .safetensors file")
        parser.add_argument("--name", required=True, help='its name; begins with "Krea"')
        parser.add_argument("--variant", choices=sorted(DEFAULTS), required=True)
        parser.add_argument("--revision", default=settings.MODEL_REVISION, help="full commit")
        parser.add_argument("--components", default=settings.MODEL_COMPONENTS)
        parser.add_argument("--steps", type=int)
        parser.add_argument("--guidance", type=float)
        parser.add_argument("--min-side", type=int, default=256)
        parser.add_argument("--max-side", type=int, default=2048)
        parser.add_argument("--default-side", type=int, default=1024)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Prints the release and its hash."""
        from inference.engine.loading import (  # noqa: PLC0415 (torch on demand)
            ModelNotLoaded,
            Source,
            locate,
        )

        defaults = DEFAULTS[options["variant"]]
        guidance = options["guidance"] if options["guidance"] is not None else defaults["guidance"]
        try:
            located = locate(Source(options["model"], options["revision"], options["components"]))
            release = register_release(
                name=options["name"],
                variant=options["variant"],
                source=Path(options["model"]).name,
                revision=options["revision"],
                files=located.files,
                actor=SYSTEM,
                at=now(),
                steps=options["steps"] or int(defaults["steps"]),
                guidance_milli=round(1000 * guidance),
                min_side=options["min_side"],
                max_side=options["max_side"],
                default_side=options["default_side"],
            )
        except (ModelNotLoaded, DomainError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{release.slug}  sha256 {release.weights_sha256}")
