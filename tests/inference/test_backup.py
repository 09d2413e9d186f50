"""The drill: a backup of a running system comes back whole in an empty place, or not at all."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils.timezone import now
from psycopg import sql

from governance.operations.audit_tree import publish_checkpoint, sequence_entries
from governance.stack import generated_secrets
from inference.models import Artifact, Generation
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from tests.conftest import HAND_OVER, ROOT, administer, with_database
from tests.inference.conftest import WORKER, SketchEngine

pytestmark = pytest.mark.django_db(transaction=True)
Submit = Callable[..., Generation]
# The tests' own; a new home would make others.
SECRETS = generated_secrets.NAMES


@pytest.fixture(autouse=True)
def blobs(tmp_path: Path) -> Iterator[Path]:
    """A blob store of the test's own."""
    folder = tmp_path / "blobs"
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(folder)},
    }
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={"default": storage, "staticfiles": static}):
        yield folder


@pytest.fixture
def delivered(submit: Submit, releases: list[UUID]) -> Generation:
    """One job delivered and paid, one still in the queue, a signed audit log."""
    job = submit()
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
    assert lease is not None
    assert run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER) == "succeeded"
    submit(prompt="a small green star on a white background")
    sequence_entries()
    publish_checkpoint(at=now())
    return job


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of another installation with an empty database; only the secrets are the same."""
    name = f"test_licet_{os.environ['LICET_TEST_RUN']}_drill_{os.getpid()}"
    url = os.environ[HAND_OVER]
    with administer(url) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    home = tmp_path / "elsewhere"
    home.mkdir()
    yield {
        **os.environ,
        **dict.fromkeys(SECRETS, "development-only"),
        "LICET_HOME": str(home),
        "LICET_BLOB_ROOT": str(home / "blobs"),
        "DATABASE_URL": with_database(url, name),
    }
    with administer(url) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def manage(environment: dict[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
    """A command of the other installation."""
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def back_up(folder: Path, *options: str) -> dict[str, Any]:
    """Make a backup here; the command's JSON."""
    told = StringIO()
    call_command("backup", str(folder), *options, stdout=told)
    result: dict[str, Any] = json.loads(told.getvalue().splitlines()[-1])
    return result


def counts() -> dict[str, int]:
    """Rows of every table."""
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        return {table: count(cursor, table) for table in sorted(tables)}


def count(cursor: Any, table: str) -> int:
    cursor.execute(f'SELECT count(*) FROM "{table}"')
    return int(cursor.fetchone()[0])


def counts_elsewhere(environment: dict[str, str], tables: list[str]) -> dict[str, int]:
    """The same, over there."""
    address = environment["DATABASE_URL"].replace("&pool=off", "").replace("?pool=off", "")
    with psycopg.connect(address) as line, line.cursor() as cursor:
        return {table: count(cursor, table) for table in tables}


def test_a_backup_comes_back_with_every_row_and_image_and_both_checks_find_nothing(
    delivered, elsewhere, tmp_path
):
    before = counts()
    made = back_up(tmp_path / "backup")
    assert made["blobs"] == 1

    restored = manage(elsewhere, "restore", str(tmp_path / "backup"))

    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout.splitlines()[-1])["other_secrets"] == []
    assert counts_elsewhere(elsewhere, list(before)) == before
    image = Artifact.objects.get()
    there = Path(elsewhere["LICET_BLOB_ROOT"]) / image.blob
    assert there.stat().st_size == image.size_bytes

    ledger = manage(elsewhere, "check_ledger", "--json")
    assert ledger.returncode == 0, ledger.stderr
    assert json.loads(ledger.stdout)["violations"] == 0
    audit = manage(elsewhere, "verify_audit", "--full")
    assert audit.returncode == 0, audit.stderr
    assert json.loads(audit.stdout.splitlines()[-1])["findings"] == 0


def test_a_restore_never_writes_over_a_database_that_holds_anything(delivered, tmp_path):
    back_up(tmp_path / "backup")
    before = counts()

    with pytest.raises(CommandError, match="not empty"):
        call_command("restore", str(tmp_path / "backup"))

    assert counts() == before


def test_a_changed_backup_is_refused_before_the_first_row(delivered, elsewhere, tmp_path):
    back_up(tmp_path / "backup")
    image = next(path for path in (tmp_path / "backup" / "blobs").rglob("*") if path.is_file())
    image.write_bytes(image.read_bytes() + b"x")

    restored = manage(elsewhere, "restore", str(tmp_path / "backup"))

    assert restored.returncode == 1
    assert "missing or was changed" in restored.stderr
    with psycopg.connect(elsewhere["DATABASE_URL"].split("&pool")[0]) as line:
        found = line.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert found.fetchone() == (0,)


def test_a_folder_without_a_manifest_is_no_backup(tmp_path):
    with pytest.raises(CommandError, match="no manifest"):
        call_command("restore", str(tmp_path))


def test_a_backup_goes_only_into_an_empty_folder(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")

    with pytest.raises(CommandError, match="not empty"):
        call_command("backup", str(tmp_path / "other"))


def test_secrets_are_named_and_only_copied_when_asked(settings, tmp_path):
    settings.LICET_HOME = tmp_path
    (tmp_path / "secrets.json").write_text('{"LICET_AUDIT_KEY": "very secret"}')
    told = StringIO()

    call_command("backup", str(tmp_path / "without"), stdout=told)
    back_up(tmp_path / "with", "--with-secrets")

    assert "LICET_AUDIT_KEY" in told.getvalue()
    assert not (tmp_path / "without" / "secrets.json").exists()
    assert "very secret" not in (tmp_path / "without" / "manifest.json").read_text()
    kept = tmp_path / "with" / "secrets.json"
    assert json.loads(kept.read_text())["LICET_AUDIT_KEY"] == "very secret"
    assert kept.stat().st_mode & 0o077 == 0


def test_other_secrets_than_those_of_the_backup_are_named(delivered, elsewhere, tmp_path):
    back_up(tmp_path / "backup")

    restored = manage(
        {**elsewhere, "LICET_API_KEY_PEPPER": "another"}, "restore", str(tmp_path / "backup")
    )

    assert restored.returncode == 0, restored.stderr
    assert "Give back the secrets of the backup's time" in restored.stdout
    assert json.loads(restored.stdout.splitlines()[-1])["other_secrets"] == ["LICET_API_KEY_PEPPER"]
