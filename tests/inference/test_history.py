"""The demo's past: made by the real operations, so the books, the log and the gate agree."""

import csv
import io
import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count
from django.utils.timezone import now

from billing.gateways.configured import stand_in
from billing.kernel.statements import as_csv
from billing.models import LedgerEntry, Statement
from billing.operations.reconciliation import reconcile
from billing.operations.resolution import job_states
from billing.queries.invariants import ledger_findings
from billing.queries.usage import usage_of
from governance.licensing.standing import Status
from governance.models import (
    AuditEntry,
    Membership,
    Organization,
    OrganizationStanding,
    WebhookDelivery,
)
from governance.operations.audit_tree import sequence_entries
from governance.operations.audit_verification import verify_log
from governance.operations.demo import seed_demo
from inference.engine.attempts import EngineLost
from inference.models import Artifact, Generation, TrainingItem, TrainingJob
from inference.operations.history import jobs, month
from inference.operations.history.month import seed_history
from inference.operations.sweeping import requeue_dead_leases
from moderation.models import Appeal, Removal, UserReport
from tests.inference.conftest import SketchEngine

JOBS, FEW = 30, 4
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def aurora(db: None) -> Organization:
    """The demo with a small month."""
    seed_demo(at=now())
    seed_history(engine=SketchEngine(), at=now(), jobs=JOBS)
    return Organization.objects.get(slug="aurora-studio")


def test_the_past_has_every_outcome_and_the_books_agree(aurora: Organization) -> None:
    states = dict(
        Generation.objects.filter(organization=aurora)
        .values_list("state")
        .annotate(jobs=Count("id"))
    )
    assert set(states) == {"succeeded", "failed", "cancelled", "blocked"}
    assert Membership.objects.filter(organization=aurora, deactivated_at=None).count() == 47
    assert set(Appeal.objects.values_list("state", flat=True)) == {"open", "upheld", "overturned"}
    assert UserReport.objects.count() == 2
    assert Removal.objects.get().state == "open"
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"delivered", "failed"}
    assert set(TrainingJob.objects.values_list("state", flat=True)) == {"queued", "cancelled"}
    assert TrainingItem.objects.filter(accepted=False).count() == 1
    assert Artifact.objects.filter(deleted_at=None).exists()
    assert Artifact.objects.exclude(deleted_at=None).exists()

    entries = LedgerEntry.objects.filter(
        account="wallet", organization=aurora, transaction__kind="capture"
    )
    journal = -sum(entries.values_list("amount", flat=True))
    first = Generation.objects.earliest("created_at").created_at.date()
    usage = usage_of(aurora.id, since=first, until=now().date(), by="size")
    assert usage.charged == journal > 0

    statement = Statement.objects.get(organization=aurora)
    rows = list(csv.DictReader(io.StringIO(as_csv(statement.body))))
    captured = -sum(
        entries.filter(transaction__booked_at__lt=statement.ends_at).values_list(
            "amount", flat=True
        )
    )
    lines = [line for line in statement.body["lines"] if line["kind"] == "capture"]
    assert -sum(line["amount_microusd"] for line in lines) == captured > 0
    assert int(rows[-1]["amount_microusd"]) == statement.closing

    assert [v for finding in ledger_findings(job_states) for v in finding.violations] == []
    assert reconcile(gateway=stand_in(), at=now()).differences == 0
    while sequence_entries():
        pass
    assert verify_log(full=True).findings == []


def test_a_second_run_changes_nothing(aurora: Organization) -> None:
    before = [
        model.objects.count()
        for model in (Generation, LedgerEntry, Artifact, Statement, AuditEntry, TrainingJob)
    ]

    assert seed_history(engine=SketchEngine(), at=now(), jobs=JOBS) == JOBS

    assert before == [
        model.objects.count()
        for model in (Generation, LedgerEntry, Artifact, Statement, AuditEntry, TrainingJob)
    ]


@pytest.mark.usefixtures("aurora")
def test_every_standing_that_one_organization_can_have_alone_is_there() -> None:
    found = set(OrganizationStanding.objects.values_list("status", flat=True))

    # A notice of the licensor holds for everybody, so the demo has none.
    assert found == {status.value for status in Status} - {"notice_running"}


@pytest.mark.django_db
def test_a_job_that_steps_aside_is_made_by_the_next_run_and_the_books_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed_demo(at=now())
    monkeypatch.setattr(month, "WAIT_S", 0)
    with monkeypatch.context() as busy:
        # Somebody else's job is next, whoever claims.
        busy.setattr(jobs, "claim_next", lambda **_: None)
        first = seed_history(engine=SketchEngine(), at=now(), jobs=FEW)
    assert first < FEW
    assert not Statement.objects.exists()

    assert seed_history(engine=SketchEngine(), at=now(), jobs=FEW) == FEW

    assert Statement.objects.count() == 1
    assert not Generation.objects.filter(state__in=("queued", "running")).exists()


@pytest.mark.django_db
def test_an_engine_that_dies_leaves_the_job_to_whoever_finds_its_lease() -> None:
    seed_demo(at=now())

    with pytest.raises(EngineLost):
        seed_history(engine=SketchEngine(dies_at=1), at=now(), jobs=FEW)

    left = Generation.objects.get(state="running")
    assert left.lease_until is not None
    assert now() < left.lease_until
    assert requeue_dead_leases(at=left.lease_until + timedelta(seconds=1)) == 1


@pytest.mark.django_db
def test_no_past_is_made_up_where_real_money_moves(settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = "sk_live_x"

    with pytest.raises(CommandError, match="real money"):
        call_command("seed_history")


@pytest.mark.django_db
def test_no_gpu_is_taken_for_a_past(settings: Any, tmp_path: Path) -> None:
    settings.LICET_HOME = tmp_path
    settings.MODEL_FOLDER = "/models/Krea-2-Turbo"
    out = StringIO()

    call_command("seed_history", stdout=out)

    assert "no GPU is taken" in out.getvalue()
    assert json.loads((tmp_path / "history.json").read_text()) == {"jobs": 0}


def test_only_the_demos_past_may_name_the_journals_time() -> None:
    users = {
        path.relative_to(ROOT).as_posix()
        for package in ("billing", "governance", "inference", "moderation")
        for path in (ROOT / package).rglob("*.py")
        if "booked_in_the_past" in path.read_text()
    }

    assert users == {
        "billing/operations/past.py",
        "inference/operations/history/jobs.py",
        "inference/operations/history/month.py",
    }
