"""Appeals, reports and removals."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from moderation.models import Finding, HashEntry, Removal, ReviewCase, Strike
from moderation.operations import removals
from moderation.operations.appeals import AppealClosed, file_appeal, report_image
from moderation.operations.removals import (
    NothingErases,
    reject_removal,
    remove_image,
)
from moderation.operations.screening import PromptBlocked, PromptHeld, record_prompt_decision
from moderation.operations.standing import strike_for
from moderation.queries.appeals import overdue_removals
from tests.moderation.conftest import AT, KEY, acting, decision, person, screened
from tests.moderation.test_review import ALL, claim_and_judge

pytestmark = pytest.mark.django_db


def appeal(found, at=AT, organization_id=None):
    return file_appeal(
        decision_id=found.id,
        organization_id=organization_id or found.organization_id,
        statement="It was a history lesson.",
        actor=KEY,
        at=at,
    )


def report(found, item="7", at=AT):
    return report_image(
        job_id=found.job_id,
        index=0,
        sha256="a" * 64,
        organization_id=found.organization_id,
        item=item,
        statement="That is me.",
        contact="me@example.com",
        actor=KEY,
        at=at,
    )


def test_an_appeal_is_answered_with_the_reviewers_reason():
    filed = appeal(decision())

    claim_and_judge(person("a", roles=ALL), Finding.UPHOLD)

    filed.refresh_from_db()
    assert (filed.state, filed.answer) == ("upheld", "It shows a weapon.")


def test_an_overturned_appeal_takes_the_strike_back():
    found = decision()
    strike_for(found)
    appeal(found)

    claim_and_judge(person("a", roles=ALL), Finding.OVERTURN)

    assert Strike.objects.get().pardoned_at == AT


def test_an_escalated_appeal_stays_open_until_a_senior_answers_it():
    filed = appeal(decision())
    claim_and_judge(person("a", roles=ALL), Finding.ESCALATE)
    filed.refresh_from_db()
    assert filed.state == "open"

    claim_and_judge(person("b", roles=ALL), Finding.OVERTURN)

    filed.refresh_from_db()
    assert filed.state == "overturned"


def test_an_overturned_prompt_passes_in_that_organization_only(gate):
    tenant, job = uuid7(), uuid7()
    with pytest.raises(PromptBlocked) as refusal:
        screened("forbidden fruit", job, tenant)
    record_prompt_decision(refusal.value, job_id=job, organization_id=tenant, actor=KEY, at=AT)
    file_appeal(
        decision_id=refusal.value.decision_id,
        organization_id=tenant,
        statement="A painting of Adam and Eve.",
        actor=KEY,
        at=AT,
    )
    claim_and_judge(person("a", roles=ALL), Finding.OVERTURN)

    prompt = screened("forbidden fruit", uuid7(), tenant)

    assert prompt.verdicts[0].outcome == "label"
    assert prompt.verdicts[0].reason == "A reviewer allowed this."
    for text, other in (("forbidden fruit", uuid7()), ("forbidden fruits", tenant)):
        with pytest.raises(PromptBlocked):
            screened(text, uuid7(), other)


def test_a_held_prompt_that_a_reviewer_releases_passes_the_next_time(gate):
    tenant, job = uuid7(), uuid7()
    with pytest.raises(PromptHeld) as held:
        screened("doubtful", job, tenant)
    record_prompt_decision(held.value, job_id=job, organization_id=tenant, actor=KEY, at=AT)

    claim_and_judge(person("a", roles=ALL), Finding.OVERTURN)

    assert screened("doubtful", uuid7(), tenant).text == "doubtful"


@pytest.mark.parametrize(
    ("fields", "at", "sentence"),
    [
        ({"outcome": "allow"}, AT, "Nothing was refused"),
        ({"complete": False, "outcome": "review"}, AT, "Send it again"),
        ({"item": "1"}, AT, "two people"),
        ({}, AT + timedelta(days=184), "183 days"),
    ],
)
def test_what_cannot_be_appealed_says_why(fields, at, sentence):
    with pytest.raises(AppealClosed, match=sentence):
        appeal(decision(**fields), at=at)


def test_another_organizations_decision_is_not_found():
    with pytest.raises(NotFound):
        appeal(decision(), organization_id=uuid7())


def test_an_appeal_filed_twice_is_one_appeal():
    found = decision()

    assert appeal(found).id == appeal(found).id


def test_a_report_opens_a_case_and_a_right_one_starts_the_removal_clock():
    found = decision(stage="output", outcome="allow")
    report(found)
    assert ReviewCase.objects.get().kind == "report"

    claim_and_judge(person("r", roles=ALL), Finding.UPHOLD)

    removal = Removal.objects.get()
    assert removal.due_at - removal.requested_at == timedelta(hours=48)


def test_a_report_of_an_intimate_image_starts_the_clock_at_once():
    found = decision(stage="output", outcome="allow")

    report(found, item="2")
    report(found, item="2", at=AT + timedelta(hours=1))

    assert Removal.objects.get().due_at == AT + timedelta(hours=48)


def test_a_report_of_an_image_that_never_was_is_not_found():
    with pytest.raises(NotFound):
        report(decision())


def test_a_removed_image_is_erased_everywhere_and_its_hash_remembered(monkeypatch):
    erased = []
    monkeypatch.setattr(removals.erasers, "items", {"test": lambda *args: erased.append(args)})
    report(decision(stage="output", outcome="allow"), item="2")
    removal = Removal.objects.get()

    remove_image(removal_id=removal.id, actor=acting(person("op")), at=AT + timedelta(hours=2))

    assert erased[0][:2] == (removal.job_id, 0)
    assert HashEntry.objects.get().sha256 == "a" * 64
    removal.refresh_from_db()
    assert removal.state == "removed"
    with pytest.raises(NotFound):
        remove_image(removal_id=removal.id, actor=KEY, at=AT)


def test_a_removal_that_nobody_can_carry_out_stays_open(monkeypatch):
    monkeypatch.setattr(removals.erasers, "items", {})
    report(decision(stage="output", outcome="allow"), item="2")

    with pytest.raises(NothingErases):
        remove_image(removal_id=Removal.objects.get().id, actor=KEY, at=AT)


def test_removals_past_their_48_hours_are_listed():
    report(decision(stage="output", outcome="allow"), item="2")
    removal = Removal.objects.get()

    assert overdue_removals(at=AT + timedelta(hours=47)) == []
    assert overdue_removals(at=AT + timedelta(hours=49)) == [removal]
    reject_removal(removal_id=removal.id, reason="not a person", actor=KEY, at=AT)
    assert overdue_removals(at=AT + timedelta(hours=49)) == []


def test_the_database_refuses_a_removal_that_is_due_before_it_was_asked():
    report(decision(stage="output", outcome="allow"), item="2")

    with pytest.raises(IntegrityError), transaction.atomic():
        Removal.objects.update(due_at=AT - timedelta(hours=1))
