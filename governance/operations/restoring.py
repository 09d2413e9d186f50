"""Restore: a whole backup into an empty database and blob store, or nothing."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from governance.kernel.errors import InvalidRequest
from governance.operations.backup import (
    BLOBS,
    DUMP,
    FORMAT,
    MANIFEST,
    SECRETS,
    BackupFailed,
    blob_folder,
    digest,
    run_tool,
)
from governance.operations.tenant_role import grant_tenant_role
from governance.stack.layout import Layout


@dataclass(frozen=True)
class Restored:
    """What came back: the backup's time, blobs, and secrets that differ from those of the backup."""

    made_at: str
    blobs: int
    other_secrets: tuple[str, ...]
    secrets_written: bool


def restore_backup(*, folder: Path) -> Restored:
    """Bring a backup back. The database must hold no table: a restore never writes over anything.

    Every hash is checked before the first row is written; the dump goes in as one transaction.
    Raises InvalidRequest, BackupFailed.
    """
    manifest = read_manifest(folder)
    check_whole(folder, manifest)
    if connection.introspection.table_names():
        raise InvalidRequest(
            "The database is not empty. Restore into a new LICET_HOME or a new database."
        )
    target = blob_folder()
    if manifest["blobs"] and target is None:
        raise InvalidRequest("The backup has blobs, and this deployment keeps them in a bucket.")
    run_tool(
        "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
        f"--dbname={connection.settings_dict['NAME']}", str(folder / DUMP),
    )  # fmt: skip
    # The dump holds policies but no rights of roles.
    grant_tenant_role()
    for name in manifest["blobs"]:
        assert target is not None, "checked above"
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / BLOBS / name, target / name)
    present = settings.SECRET_MARKS
    other = tuple(name for name, mark in manifest["secrets"].items() if present.get(name) != mark)
    return Restored(
        manifest["made_at"], len(manifest["blobs"]), other, secrets_written=put_secrets(folder)
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest. Raises InvalidRequest where there is none that this code can read."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{folder} is no whole backup: it has no manifest.") from error
    if manifest.get("format") != FORMAT:
        raise InvalidRequest(f"The backup has format {manifest.get('format')}, not {FORMAT}.")
    return manifest


def check_whole(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Every file is there with its hash. Raises BackupFailed with the first that is not."""
    wanted = {DUMP: manifest["dump_sha256"]}
    wanted |= {f"{BLOBS}/{name}": mark for name, mark in manifest["blobs"].items()}
    for name, mark in wanted.items():
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise BackupFailed(f"{name} is outside the backup.")
        if not path.is_file() or digest(path) != mark:
            raise BackupFailed(f"{name} is missing or was changed. Use another backup.")


def put_secrets(folder: Path) -> bool:
    """Put the backup's secrets, if it has them, in the place of those of this LICET_HOME."""
    kept = folder / SECRETS
    if not kept.is_file():
        return False
    target = Layout(settings.LICET_HOME).secrets
    draft = target.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(kept.read_text())
    draft.replace(target)
    return True
