"""The doctor: a healthy system, and each kind of broken one with its remedy."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now

from governance.kernel.diagnosis import Health, by_age
from governance.models import AuditEntry, OutgoingMail
from governance.operations import examining_servers, examining_work
from governance.operations.audit_tree import sequence_entries
from governance.operations.beats import TICK_KEY, note_tick
from governance.operations.demo import register_local_releases
from inference.models import EngineStatus
from inference.operations import examining as inference_examining
from moderation.operations import examining as moderation_examining
from tests.conftest import ROOT

pytestmark = pytest.mark.django_db


def doctor() -> tuple[int, dict[str, dict[str, str]]]:
    """Exit status, and each part's finding by name."""
    told = StringIO()
    status = 0
    try:
        call_command("doctor", "--json", stdout=told)
    except SystemExit as ended:
        status = int(str(ended.code))
    facts: dict[str, Any] = json.loads(told.getvalue())
    return status, {part["name"]: part for part in facts["parts"]}


@pytest.fixture
def healthy(settings: Any, tmp_path: Path) -> None:
    """A system in which everything works."""
    settings.LICET_HOME = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "blobs")},
        },
    }
    register_local_releases(at=now())
    sequence_entries()
    note_tick(at=now())
    EngineStatus.objects.create(
        worker="here", release_slug="krea-2-tiny-turbo", device="CPU", state="ready", seen_at=now()
    )


def test_nothing_is_broken_in_a_healthy_system(healthy):
    status, parts = doctor()

    assert [part for part in parts.values() if part["health"] == "broken"] == []
    assert status == 0
    assert {
        "packages", "disk", "database", "migrations",
    "tenant isolation", "clock", "redis", "broker", "storage", "beat",
        "mail", "webhooks", "audit sequencer", "audit checkpoint", "gate", "stripe", "ledger",
        "model", "engines", "leases", "queue",
    } == set(parts)  # fmt: skip


def no_beat(settings: Any, tmp_path: Path) -> None:
    cache.delete(TICK_KEY)


def beat_stopped(settings: Any, tmp_path: Path) -> None:
    note_tick(at=now() - timedelta(minutes=10))


def engine_gone(settings: Any, tmp_path: Path) -> None:
    EngineStatus.objects.update(seen_at=now() - timedelta(minutes=5), detail="out of memory")


def other_weights(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "licet.json").write_text("{}")
    settings.MODEL_FOLDER = str(tmp_path / "model")


def no_model(settings: Any, tmp_path: Path) -> None:
    settings.MODEL_FOLDER = str(tmp_path / "absent")
    settings.MODEL_REVISION = ""


def storage_is_a_file(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path / "file" / "blobs")},
        },
    }


def no_broker(settings: Any, tmp_path: Path) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"


def migration_missing(settings: Any, tmp_path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE id = "
            "(SELECT max(id) FROM django_migrations WHERE app = 'billing')"
        )


def mail_stands_still(settings: Any, tmp_path: Path) -> None:
    long_ago = now() - timedelta(hours=2)
    OutgoingMail.objects.create(
        kind="test", to_address="a@example.com", subject="s", created_at=long_ago,
        next_try_at=long_ago, last_error="connection refused",
    )  # fmt: skip


def audit_stands_still(settings: Any, tmp_path: Path) -> None:
    AuditEntry.objects.create(
        at=now() - timedelta(hours=1), actor_kind="system", actor_id="system", act="test",
        subject_kind="test", subject_id="1",
    )  # fmt: skip


def stripe_half_configured(settings: Any, tmp_path: Path) -> None:
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = "sk_live_x", ()


def gate_without_policy(settings: Any, tmp_path: Path) -> None:
    settings.MODERATION_POLICY = str(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("fault", "part", "said"),
    [
        (no_beat, "beat", "no periodic task"),
        (beat_stopped, "beat", "since the last periodic task"),
        (engine_gone, "engines", "out of memory"),
        (other_weights, "model", "files were changed"),
        (no_model, "model", "no folder"),
        (storage_is_a_file, "storage", ""),
        (no_broker, "broker", ""),
        (migration_missing, "migrations", "not applied: billing."),
        (mail_stands_still, "mail", "connection refused"),
        (audit_stands_still, "audit sequencer", "wait for the tree"),
        (stripe_half_configured, "stripe", "webhook secret"),
        (gate_without_policy, "gate", "cannot be read"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_a_broken_part_is_named_with_its_remedy_and_no_other(
    healthy, settings, tmp_path, fault: Callable[[Any, Path], None], part: str, said: str
):
    fault(settings, tmp_path)

    status, parts = doctor()

    assert status == 1
    assert [name for name, found in parts.items() if found["health"] == "broken"] == [part]
    assert said in parts[part]["detail"]
    assert parts[part]["remedy"]


def test_without_a_database_the_rest_is_still_examined(tmp_path):
    elsewhere = {
        "PATH": "/usr/bin:/bin",
        "LICET_HOME": str(tmp_path),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/licet?pool=off",
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT, env=elsewhere, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    parts = {part["name"]: part for part in json.loads(done.stdout)["parts"]}
    wrong = {name for name, part in parts.items() if part["health"] == "broken"}
    assert wrong == {"database", "redis", "broker", "beat"}
    assert parts["packages"]["health"] == parts["storage"]["health"] == "ok"
    assert "not examined" in parts["mail"]["detail"]


def test_each_part_is_one_line_with_a_sum_at_the_end(healthy):
    told = StringIO()

    call_command("doctor", stdout=told)

    lines = told.getvalue().splitlines()
    assert any(line.startswith("ok      database: PostgreSQL") for line in lines)
    assert lines[-1].startswith("21 parts, 0 broken")


def test_a_difference_of_the_ledger_is_broken_until_it_is_explained(healthy):
    reconcile_with_difference()

    status, parts = doctor()

    assert status == 1
    assert parts["ledger"]["health"] == "broken"


def reconcile_with_difference() -> None:
    """A run that left something open."""
    from billing.models import Difference, ReconciliationRun

    ReconciliationRun.objects.create(started_at=now(), finished_at=now(), checked=1, differences=1)
    Difference.objects.create(
        kind="test", subject="1", detail="one is missing", first_seen_at=now(), last_seen_at=now()
    )


@pytest.mark.parametrize(
    ("age", "health"), [(1, Health.OK), (11, Health.WARNING), (21, Health.BROKEN)]
)
def test_an_age_has_two_limits(age, health):
    assert by_age(age, "x", warn_s=10, broken_s=20, remedy="y").health is health


def test_every_examination_that_can_break_says_what_to_do():
    for module in (examining_servers, examining_work, inference_examining, moderation_examining):
        assert all(part.remedy for part in module.EXAMINATIONS)
