"""Whether the embedded database already has every migration, told without starting Django."""

import hashlib
from pathlib import Path

from governance.stack.layout import Layout

APPS = ("governance", "moderation", "billing", "inference")
SYSTEM_IDENTIFIER_BYTES = 8


def fingerprint(root: Path, data: Path) -> str:
    """Our migrations, the locked packages (theirs) and the very cluster that they were applied to."""
    digest = hashlib.sha256((data / "global" / "pg_control").read_bytes()[:SYSTEM_IDENTIFIER_BYTES])
    digest.update(code_fingerprint(root).encode())
    return digest.hexdigest()


def code_fingerprint(root: Path) -> str:
    """Our migrations and the locked packages, which bring their own."""
    digest = hashlib.sha256()
    for path in migration_files(root):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def migration_files(root: Path) -> list[Path]:
    """What can change the schema: migrations and the SQL that they read."""
    folders = [root / app / "migrations" for app in APPS]
    found = [
        path
        for folder in folders
        for path in sorted([*folder.glob("*.py"), *folder.glob("sql/*.sql")])
    ]
    lock = root / "requirements.lock"
    return [*found, lock] if lock.exists() else found


def is_migrated(layout: Layout, *, root: Path, data: Path) -> bool:
    """Whether this cluster was migrated with exactly this code."""
    stamp = layout.run / "migrated"
    return stamp.exists() and stamp.read_text() == fingerprint(root, data)


def remember_migrated(layout: Layout, *, root: Path, data: Path) -> None:
    """Note that this cluster has every migration of this code."""
    (layout.run / "migrated").write_text(fingerprint(root, data))
