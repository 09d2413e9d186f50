"""Where the stack of one LICET_HOME keeps its things."""

import os
from dataclasses import dataclass
from pathlib import Path

ROOT_FOLDER_MODE = 0o711
USER_FOLDER_MODE = 0o700


@dataclass(frozen=True)
class Layout:
    """The folders and files of one LICET_HOME."""

    home: Path

    @property
    def run(self) -> Path:
        """Locks, addresses and process notes of what runs now."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.home / "logs"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data; a link elsewhere where its system user cannot enter this home."""
        return self.home / "postgres"

    @property
    def valkey(self) -> Path:
        """Valkey's data and configuration."""
        return self.home / "valkey"

    @property
    def secrets(self) -> Path:
        """Generated secrets, mode 0600."""
        return self.home / "secrets.json"

    @property
    def history(self) -> Path:
        """Says that the demo organization has its past, so that no start makes it again."""
        return self.home / "history.json"

    @property
    def addresses(self) -> Path:
        """Addresses of the embedded servers while they run; ``governance.settings`` reads it."""
        return self.run / "servers.json"

    def prepare(self) -> None:
        """Create the folders. As root others may pass through, since PostgreSQL runs as one."""
        mode = ROOT_FOLDER_MODE if os.geteuid() == 0 else USER_FOLDER_MODE
        for folder in (self.home, self.run, self.logs):
            if not folder.exists():
                folder.mkdir(parents=True, mode=mode, exist_ok=True)
                folder.chmod(mode)

    def log(self, name: str) -> Path:
        """The log file of one process."""
        return self.logs / f"{name}.log"
