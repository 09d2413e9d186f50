"""Builds ``.venv`` from requirements.lock. Run by path with a bare Python: standard library only.

``environment.py current``  exit 0 when .venv is what the lock says, else 1; says nothing
``environment.py build``    makes it so, with progress on standard error
"""

import fcntl
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "licet-stamp"
OLDEST = (3, 11)
# The environment with torch takes 6.5 GB, its downloads 3 GB for a while.
NEEDED_BYTES = 10 * 10**9
HEARTBEAT_S = 10


def main(wish: str) -> int:
    """Carry out one of the two wishes; returns the exit code."""
    if wish == "current":
        return 0 if is_current() else 1
    try:
        build()
    except Unable as reason:
        tell(str(reason))
        return 1
    return 0


class Unable(Exception):
    """Why the environment cannot be built, and what to do."""


def stamp() -> str:
    """What a finished environment carries: the lock it was built from and where it stands."""
    return f"{hashlib.sha256(LOCK.read_bytes()).hexdigest()} {VENV}\n"


def is_current() -> bool:
    """Whether .venv was finished from exactly this lock at exactly this place."""
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == stamp()


def build() -> None:
    """Create .venv if it is missing and install what the lock names. Raises Unable."""
    if sys.version_info < OLDEST:
        raise Unable(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}.")
    with alone():
        if is_current():
            return
        began = time.monotonic()
        uv = existing_uv()
        if not works(PYTHON):
            create(uv)
        uv = uv or bootstrap_uv()
        check_disk(uv)
        install(uv)
        STAMP.write_text(stamp())
        tell(f"the environment is ready in {time.monotonic() - began:.0f} s")


class alone:  # noqa: N801 (reads as a block)
    """One build at a time in this checkout."""

    def __enter__(self) -> None:
        self._folder = os.open(ROOT, os.O_RDONLY)
        fcntl.flock(self._folder, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)


def works(program: Path) -> bool:
    """Whether a program answers; a moved environment or a shim without a version does not."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, check=False)  # noqa: S603
    except OSError:
        return False
    return done.returncode == 0


def existing_uv() -> Path | None:
    """An uv that is installed already."""
    on_path = shutil.which("uv")
    found = [VENV / "bin" / "uv", *([Path(on_path)] if on_path else [])]
    return next((uv for uv in found if works(uv)), None)


def create(uv: Path | None) -> None:
    """Make an empty environment with the Python that runs this. Raises Unable."""
    tell(f"creating {VENV.name} with Python {sys.version.split()[0]}")
    way = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if uv is not None:
        way = [str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)]
    done = subprocess.run(way, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        complaint = " ".join((done.stderr + done.stdout).split())[:300]
        raise Unable(
            f"The environment could not be created ({complaint}). Install your system's venv package "
            "(on Debian: apt-get install python3-venv) or uv, then try again."
        )


def bootstrap_uv() -> Path:
    """Install the locked uv with pip. Raises Unable."""
    tell("installing uv, which installs the rest")
    block = re.search(r"^uv==.*(?:\n[ ]+--hash.*)+", LOCK.read_text(), re.MULTILINE)
    assert block is not None, "requirements.lock names uv"
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as only_uv:
        only_uv.write(block.group() + "\n")
        only_uv.flush()
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        run([str(PYTHON), "-m", "pip", "install", *quiet, "--requirement", only_uv.name])
    return VENV / "bin" / "uv"


def check_disk(uv: Path) -> None:
    """Raise Unable when packages must be downloaded and there is no room for them."""
    trial = subprocess.run(  # noqa: S603
        [*install_command(uv), "--dry-run"],
        capture_output=True,
        text=True,
        check=False,
        env=trusting_the_system(),
    )
    downloads = re.search(r"Would download (\d+) package", trial.stderr)
    free = shutil.disk_usage(ROOT).free
    if downloads:
        tell(f"{downloads.group(1)} packages to download, up to 3 GB the first time")
        if free < NEEDED_BYTES:
            raise Unable(
                f"Only {free / 1e9:.1f} GB are free here and the packages with torch need "
                f"{NEEDED_BYTES / 1e9:.0f} GB. Free some space, then try again."
            )


def install_command(uv: Path) -> list[str]:
    """Install exactly what the lock names, every file checked by its hash."""
    where = ["--python", str(PYTHON)]
    return [str(uv), "pip", "install", *where, "--require-hashes", "--requirement", str(LOCK)]


def install(uv: Path) -> None:
    """Install the packages. Raises Unable."""
    tell("installing the packages of requirements.lock")
    run(install_command(uv))


def run(command: list[str]) -> None:
    """Run to the end, saying every 10 s that it still works where no terminal shows it."""
    began = time.monotonic()
    process = subprocess.Popen(command, env=trusting_the_system())  # noqa: S603
    while (code := wait_a_while(process)) is None:
        if not sys.stderr.isatty():
            tell(f"still installing, {time.monotonic() - began:.0f} s")
    if code != 0:
        raise Unable(
            "The packages could not be installed (the reason stands above). Check the network and the "
            "free disk space, then run the same command again: it goes on from there."
        )


def trusting_the_system() -> dict[str, str]:
    """Let uv trust the certificates that this machine trusts, such as those of a company's proxy."""
    trusted = {"UV_SYSTEM_CERTS": "1"} if ssl.get_default_verify_paths().cafile else {}
    return trusted | dict(os.environ)


def wait_a_while(process: "subprocess.Popen[bytes]") -> int | None:
    """The exit code, or None when it still runs after 10 s."""
    try:
        return process.wait(HEARTBEAT_S)
    except subprocess.TimeoutExpired:
        return None


def tell(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"licet: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
