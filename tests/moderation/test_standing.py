"""Strikes, their expiry and consequences, and signs of abuse."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.models import AuditEntry
from moderation.kernel.similarity import NEAR, distance, simhash
from moderation.models import AbuseNote, Strike
from moderation.operations.screening import PromptBlocked, record_prompt_decision
from moderation.operations.standing import (
    ActorSuspended,
    pardon,
    require_good_standing,
    strike_for,
)
from moderation.queries.standing import abuse_signs, organization_points, standing_of
from tests.moderation.conftest import AT, KEY, decision, screened

PERSON = Actor(kind="user", id="person-1", label="Pat Person")

pytestmark = pytest.mark.django_db


def strikes(count, *, item="7", at=AT, actor=PERSON, **fields):
    return [strike_for(decision(item=item, at=at, actor=actor, **fields)) for _ in range(count)]


def standing(at=AT):
    return standing_of(actor_kind=PERSON.kind, actor_id=PERSON.id, at=at)


def test_refused_prompts_add_up_to_a_warning_and_then_to_a_pause():
    strikes(2)
    assert not standing().warned
    strikes(1)
    assert standing().warned
    require_good_standing(actor=PERSON, at=AT)

    strikes(7)

    with pytest.raises(ActorSuspended) as refusal:
        require_good_standing(actor=PERSON, at=AT)
    assert refusal.value.facts["points"] == 10
    assert AuditEntry.objects.filter(act="actor.suspended").count() == 1


def test_one_prompt_under_item_one_pauses_at_once():
    strikes(1, item="1")

    with pytest.raises(ActorSuspended):
        require_good_standing(actor=PERSON, at=AT)


def test_one_end_user_cannot_stop_a_whole_product():
    strikes(30, item="1", actor=KEY)

    key = require_good_standing(actor=KEY, at=AT)

    assert key.warned
    assert key.points == 300
    assert not AuditEntry.objects.filter(act="actor.suspended").exists()


def test_strikes_expire_and_the_pause_ends_on_the_day_that_was_said():
    strikes(5, at=AT)
    strikes(5, at=AT + timedelta(days=1))

    until = standing(AT + timedelta(days=2)).until

    assert until == AT + timedelta(days=30)
    assert standing(until).until is None
    assert standing(AT + timedelta(days=32)).points == 0


def test_a_pardoned_strike_does_not_count():
    found = decision(item="2")
    strike_for(found)

    pardon(decision_id=found.id, actor=KEY, at=AT)
    pardon(decision_id=found.id, actor=KEY, at=AT)

    assert standing().points == 0
    assert AuditEntry.objects.filter(act="strike.pardoned").count() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "allow"},
        {"outcome": "review"},
        {"item": "canary"},
        {"item": ""},
        {"complete": False, "outcome": "block"},
        {"stage": "output"},
    ],
)
def test_what_is_nobodys_fault_is_not_counted(fields):
    assert strike_for(decision(**fields)) is None


def test_points_are_counted_for_the_organization_too():
    found = decision()
    strike_for(found)

    assert organization_points(found.organization_id, at=AT) == 1
    assert organization_points(found.organization_id, at=AT + timedelta(days=31)) == 0


def test_the_database_keeps_strikes():
    strikes(1)

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM moderation_strike")
    assert Strike.objects.count() == 1


def test_repeating_a_refused_prompt_in_other_words_is_seen():
    first = "a detailed photograph of a burning car in the middle of a crowded street at night"
    tries = [first, first.replace("detailed", "very detailed"), first + " please", first + "!!"]
    decision(outcome="block", simhash=simhash(tries[0]), at=AT)
    for minute, text in enumerate(tries[1:], start=1):
        decision(outcome="allow", simhash=simhash(text), at=AT + timedelta(minutes=minute))
    decision(outcome="allow", simhash=simhash("a red circle on a white ground"), at=AT)

    signs = abuse_signs(actor_kind=KEY.kind, actor_id=KEY.id, at=AT + timedelta(minutes=9))

    assert signs.evasions == 3
    assert signs.suspicious


def test_trying_the_filter_out_is_noted_once_an_hour(gate):
    for minute in range(3):
        job = uuid7()
        with pytest.raises(PromptBlocked) as refusal:
            screened(f"a forbidden scene of a burning car in a crowded street, take {minute}", job)
        when = AT + timedelta(minutes=minute)
        record_prompt_decision(refusal.value, job_id=job, organization_id=job, actor=KEY, at=when)
        for other in range(4):
            decision(
                at=when,
                simhash=simhash(f"a forbidden scene of a burning car in a crowded street {other}"),
            )

    note = AbuseNote.objects.get()

    assert note.evasions >= 3
    assert AuditEntry.objects.filter(act="abuse.suspected").count() == 1


def test_a_high_share_of_refusals_is_seen():
    for minute in range(10):
        decision(outcome="block" if minute < 3 else "allow", at=AT + timedelta(minutes=minute))

    signs = abuse_signs(actor_kind=KEY.kind, actor_id=KEY.id, at=AT + timedelta(minutes=30))

    assert (signs.prompts, signs.refused, signs.share) == (10, 3, 0.3)
    assert signs.suspicious


def test_one_refusal_among_few_prompts_is_no_sign_of_abuse():
    decision(outcome="block")
    decision(outcome="allow")

    assert not abuse_signs(actor_kind=KEY.kind, actor_id=KEY.id, at=AT).suspicious


def test_different_prompts_are_not_near():
    texts = ["a red circle on white", "a dog in the snow", "portrait of an old sailor, oil"]

    assert all(distance(simhash(a), simhash(b)) > NEAR for a in texts for b in texts if a != b)


@given(st.text(max_size=300))
def test_any_text_has_a_64_bit_hash_at_distance_zero_from_itself(text):
    value = simhash(text)

    assert -(2**63) <= value < 2**63
    assert distance(value, value) == 0
