"""Folders that PostgreSQL's user may enter."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def homes() -> Iterator[Path]:
    """A short folder for all hosts and servers of one test: a socket's path has 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="licet-hosts-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)
