"""What the gate decided is written down, once, and the database lets nobody change it."""

import pytest
from django.db import DatabaseError, connection, transaction

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.models import AuditEntry
from moderation.models import Decision, VerdictRow
from moderation.operations.recording import record_image_decisions, record_prompt_decision
from moderation.operations.release import ImageBlocked
from moderation.operations.screening import GateUnavailable, PromptBlocked
from moderation.queries.decisions import decisions_of_job
from tests.moderation import fakes
from tests.moderation.conftest import AT, bright, dark, screened
from tests.moderation.test_release import png, release

pytestmark = pytest.mark.django_db
KEY = Actor(kind="api_key", id="key-1", label="Test key")


def record(screened, job, organization_id):
    record_prompt_decision(
        screened=screened, job_id=job, organization_id=organization_id, actor=KEY, at=AT
    )


def test_an_allowed_prompt_leaves_a_decision_and_each_verdict(gate):
    job, tenant = uuid7(), uuid7()
    prompt = screened(job_id=job)

    record(prompt, job, tenant)

    decision = Decision.objects.get()
    assert (decision.id, decision.job_id, decision.outcome) == (prompt.decision_id, job, "allow")
    assert decision.policy_hash == prompt.policy.hash
    assert decision.verdicts.get().scores == {"harm": 0.01}


def test_a_refused_prompt_leaves_a_decision_with_item_reason_and_an_audit_entry(gate):
    job, tenant = uuid7(), uuid7()
    with pytest.raises(PromptBlocked) as refusal:
        screened("forbidden", job)

    record(refusal.value, job, tenant)

    decision = Decision.objects.get(id=refusal.value.decision_id)
    assert (decision.outcome, decision.item, decision.complete) == ("block", "7", True)
    assert decision.reason
    entry = AuditEntry.objects.get(act="prompt.withheld")
    assert entry.facts["item"] == "7"
    assert "forbidden" not in str(entry.facts)


def test_a_failing_gate_leaves_an_incomplete_decision(gate):
    gate.use(faulty=fakes.Raises, input_names=("faulty",))
    job, tenant = uuid7(), uuid7()
    with pytest.raises(GateUnavailable) as refusal:
        screened(job_id=job)

    record(refusal.value, job, tenant)

    decision = Decision.objects.get()
    assert (decision.complete, decision.outcome) == (False, "review")
    assert "out of memory" in decision.verdicts.get().error


def test_recorded_twice_the_first_rows_stand(gate):
    job, tenant = uuid7(), uuid7()
    prompt = screened(job_id=job)

    record(prompt, job, tenant)
    record(prompt, job, tenant)

    assert (Decision.objects.count(), VerdictRow.objects.count()) == (1, 1)


def test_the_images_of_a_job_leave_one_decision_each(gate):
    job, tenant = uuid7(), uuid7()
    prompt = screened(job_id=job)
    verdicts = [
        verdict
        for index in range(3)
        for verdict in release(bright(), prompt=prompt, index=index, encode=png).verdicts
    ]
    with pytest.raises(ImageBlocked) as refusal:
        release(dark(), prompt=prompt, index=3)

    record_image_decisions(
        verdicts=[*verdicts, *(each.as_json() for each in refusal.value.verdicts)],
        job_id=job,
        organization_id=tenant,
        actor=KEY,
        at=AT,
    )

    found = Decision.objects.order_by("index").values_list("index", "outcome")
    assert list(found) == [(0, "allow"), (1, "allow"), (2, "allow"), (3, "block")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE moderation_decision SET outcome = 'allow'",
        "DELETE FROM moderation_decision",
        "UPDATE moderation_verdict SET scores = '{}'",
        "DELETE FROM moderation_verdict",
    ],
)
def test_the_database_refuses_to_change_or_delete_what_was_decided(gate, statement):
    job = uuid7()
    record(screened(job_id=job), job, uuid7())

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_refuses_an_allowance_without_a_full_set_of_verdicts(gate):
    job = uuid7()
    record(screened(job_id=job), job, uuid7())
    decision = Decision.objects.get()
    decision.id, decision.complete = uuid7(), False

    with pytest.raises(DatabaseError, match="decision_allows_only_when_complete"):
        decision.save(force_insert=True)


def test_the_timeline_lists_scores_thresholds_and_reasons(gate):
    job, tenant = uuid7(), uuid7()
    with pytest.raises(PromptBlocked) as refusal:
        screened("forbidden", job)
    record(refusal.value, job, tenant)

    line = decisions_of_job(job)[0]

    assert (line.stage, line.detector, line.version, line.outcome) == (
        "input",
        "sound",
        "1",
        "block",
    )
    assert line.scores == [{"label": "harm", "score": 0.95, "review": 0.5, "block": 0.9}]
    assert line.item == "7"
    assert line.reason.endswith("allows.")
    assert decisions_of_job(job, organization_id=tenant) == [line]
    assert decisions_of_job(job, organization_id=uuid7()) == []
