"""``manage.py register_release``: put weights, an adapter or a repack on record."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from governance.kernel.errors import DomainError
from governance.management.commands.licence import operator_actor
from governance.models import ModelRelease, Organization
from governance.operations.releases import HashedFile, hashed_files, register_release

LICENCE = "Krea 2 Community License Agreement v.1"


class Command(BaseCommand):
    """Hashes every file of a folder and registers it; asked again with the same files, it stands."""

    help = "Register a folder of weights: a base model, or an adapter or repack of one."

    def add_arguments(self, parser: CommandParser) -> None:
        """What is registered, from where, under which licence, and what it derives from."""
        parser.add_argument("folder", type=Path)
        parser.add_argument("--by", required=True, help="the acting person's e-mail address")
        parser.add_argument("--name", required=True, help='begins with "Krea" (3.1(b))')
        parser.add_argument("--variant", choices=["turbo", "raw"], default="turbo")
        parser.add_argument("--kind", choices=["base", "adapter", "repack"], default="base")
        parser.add_argument("--parent", default="", help="slug of the release it derives from")
        parser.add_argument("--organization", default="", help="slug of the only organization")
        parser.add_argument("--licence", default=LICENCE)
        parser.add_argument("--source", default="")
        parser.add_argument("--revision", default="")
        parser.add_argument("--steps", type=int)
        parser.add_argument("--guidance-milli", type=int)
        parser.add_argument("--min-side", type=int)
        parser.add_argument("--max-side", type=int)
        parser.add_argument("--default-side", type=int)

    def handle(self, **options: Any) -> None:
        """Hash with progress, register, print what is on record as JSON."""
        if not options["folder"].is_dir():
            raise CommandError(f"{options['folder']} is no folder.")
        files = self._hashed(options["folder"])
        figures = ("steps", "guidance_milli", "min_side", "max_side", "default_side")
        try:
            release = register_release(
                name=options["name"],
                variant=options["variant"],
                source=options["source"] or options["folder"].name,
                files=files,
                licence=options["licence"],
                revision=options["revision"],
                kind=options["kind"],
                parent=_release(options["parent"]),
                organization_id=_organization_id(options["organization"]),
                actor=operator_actor(options["by"]),
                at=now(),
                **{name: options[name] for name in figures if options[name] is not None},
            )
        except DomainError as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(
            json.dumps(
                {
                    "release": release.slug,
                    "status": release.status,
                    "files": len(files),
                    "weights_sha256": release.weights_sha256,
                    "modified": release.modified,
                    "notice": release.notice,
                }
            )
        )

    def _hashed(self, folder: Path) -> list[HashedFile]:
        """Every file with its hash; large weights take minutes, so each is named as it is read."""

        def tell(path: Path) -> None:
            self.stderr.write(f"hashing {path.relative_to(folder)}")

        files = hashed_files(folder, tell)
        if not files:
            raise CommandError(f"{folder} holds no file.")
        return files


def _release(slug: str) -> ModelRelease | None:
    if not slug:
        return None
    found = ModelRelease.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no release {slug!r} to derive from.")
    return found


def _organization_id(slug: str) -> object:
    if not slug:
        return None
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        raise CommandError(f"There is no organization {slug!r}.")
    return found.id
