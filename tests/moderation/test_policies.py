"""Policies: drafted, measured, replayed, put in force by two people; every verdict names its own."""

import json

import pgtrigger
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from moderation.kernel.verdicts import HASH_BANKS
from moderation.models import Decision, Policy, PolicyActivation, ShadowDecision
from moderation.operations.policies import (
    LabelledPrompt,
    PolicyInvalid,
    PolicyNotMeasured,
    SecondPersonNeeded,
    answer_proposal,
    draft_policy,
    evaluate_policy,
    propose_activation,
    replay_policy,
)
from moderation.operations.readiness import self_test
from moderation.operations.release import record_image_decisions, release_image
from moderation.operations.screening import (
    GateUnavailable,
    PromptBlocked,
    PromptHeld,
    record_prompt_decision,
)
from moderation.queries import policies
from moderation.queries.policies import bundle_by_hash, in_force
from tests.moderation import fakes
from tests.moderation.conftest import AT, KEY, acting, bright, person, screened
from tests.moderation.test_release import png

pytestmark = pytest.mark.django_db
ROWS = [
    LabelledPrompt("a red circle", unsafe=False, source="plain"),
    LabelledPrompt("doubtful but fine", unsafe=False, source="plain"),
    LabelledPrompt("forbidden", unsafe=True, source="harm"),
]


def stricter(version="test/2", *, review=5, block=10):
    """A policy that refuses what scores 0.01 or more."""
    document = fakes.document(version=version)
    for stage in document["stages"].values():
        stage["classifiers"][0]["thresholds"]["harm"].update(review_milli=review, block_milli=block)
    return document


def draft(document, actor):
    return draft_policy(document=document, based_on="", note="stricter", actor=actor, at=AT)


def measure(policy, actor):
    evaluate_policy(policy_hash=policy.hash, rows=ROWS, subject="three rows", actor=actor, at=AT)
    replay_policy(policy_hash=policy.hash, days=7, actor=actor, at=AT)


@pytest.fixture
def house(gate, settings, django_capture_on_commit_callbacks):
    """The policy comes from the database; two people."""
    settings.MODERATION_POLICY = None
    policies.forget()

    def activate(document, mode="live", share=1000, at=AT):
        author, other = acting(person("author")), acting(person("other"))
        policy = draft(document, author)
        measure(policy, author)
        proposal = propose_activation(
            policy_hash=policy.hash,
            mode=mode,
            share_milli=share,
            reason="too many misses",
            actor=author,
            at=at,
        )
        with django_capture_on_commit_callbacks(execute=True):
            answer_proposal(proposal_id=proposal.id, accept=True, actor=other, at=at)
        return policy

    yield activate
    policies.forget()


def test_the_same_document_is_the_same_policy():
    actor = acting(person("author"))

    assert draft(stricter(), actor).hash == draft(stricter(), actor).hash


def test_a_version_names_one_document_only():
    actor = acting(person("author"))
    draft(stricter(), actor)

    with pytest.raises(PolicyInvalid, match="is taken"):
        draft(stricter(block=20), actor)


def test_a_malformed_draft_is_refused_with_its_place():
    with pytest.raises(PolicyInvalid, match="review <= block"):
        draft(stricter(review=900, block=1), acting(person("author")))


def test_an_evaluation_says_what_share_of_which_source_is_refused(gate):
    actor = acting(person("author"))
    policy = draft(fakes.document(), actor)

    figures = evaluate_policy(
        policy_hash=policy.hash, rows=ROWS, subject="three rows", actor=actor, at=AT
    ).figures

    assert figures["plain"] == {
        "safe_rows": 2,
        "safe_review": 0.5,
        "safe_block": 0.0,
        "unsafe_rows": 0,
        "unsafe_review": 0.0,
        "unsafe_block": 0.0,
    }
    assert figures["harm"]["unsafe_block"] == 1.0


def test_a_replay_lists_what_would_newly_be_refused_and_allowed_without_any_text(gate):
    actor, job = acting(person("author")), uuid7()
    record_prompt_decision(screened(), job_id=job, organization_id=job, actor=KEY, at=AT)
    with pytest.raises(PromptHeld) as held:
        screened("doubtful", job)
    record_prompt_decision(held.value, job_id=job, organization_id=job, actor=KEY, at=AT)
    strict = draft(stricter(), actor)
    lax = draft(stricter("test/3", review=700, block=900), actor)

    newly_refused = replay_policy(policy_hash=strict.hash, days=7, actor=actor, at=AT).figures
    newly_allowed = replay_policy(policy_hash=lax.hash, days=7, actor=actor, at=AT).figures

    assert newly_refused["counts"] == {"newly_refused": 1, "same": 1}
    assert newly_allowed["counts"] == {"newly_allowed": 1, "same": 1}
    assert newly_allowed["changes"][0]["before"] == "review"
    assert "doubtful" not in json.dumps(newly_allowed)


def test_a_replay_does_not_compare_what_another_classifier_judged(gate):
    actor, job = acting(person("author")), uuid7()
    record_prompt_decision(screened(), job_id=job, organization_id=job, actor=KEY, at=AT)
    document = stricter()
    document["stages"]["input"]["classifiers"][0]["version"] = "2"

    figures = replay_policy(
        policy_hash=draft(document, actor).hash, days=7, actor=actor, at=AT
    ).figures

    assert figures["counts"] == {"not_comparable": 1}


def test_an_unmeasured_policy_goes_only_into_shadow():
    actor = acting(person("author"))
    policy = draft(stricter(), actor)

    with pytest.raises(PolicyNotMeasured, match="evaluation and replay"):
        propose_activation(policy_hash=policy.hash, mode="live", reason="now", actor=actor, at=AT)
    propose_activation(policy_hash=policy.hash, mode="shadow", reason="now", actor=actor, at=AT)


def test_nobody_puts_a_policy_in_force_alone(gate):
    actor = acting(person("author"))
    policy = draft(fakes.document(), actor)
    measure(policy, actor)
    proposal = propose_activation(
        policy_hash=policy.hash, mode="live", reason="mine", actor=actor, at=AT
    )

    with pytest.raises(SecondPersonNeeded):
        answer_proposal(proposal_id=proposal.id, accept=True, actor=actor, at=AT)
    with pytest.raises(IntegrityError, match="activation_by_two_people"), transaction.atomic():
        PolicyActivation.objects.create(
            policy=policy,
            mode="live",
            proposed_by_id=actor.id,
            approved_by_id=actor.id,
            reason="mine",
            at=AT,
        )


def test_a_proposal_is_answered_once(gate):
    author, other = acting(person("author")), acting(person("other"))
    policy = draft(fakes.document(), author)
    proposal = propose_activation(
        policy_hash=policy.hash, mode="shadow", reason="try", actor=author, at=AT
    )

    assert answer_proposal(proposal_id=proposal.id, accept=False, actor=other, at=AT) is None
    with pytest.raises(NotFound):
        answer_proposal(proposal_id=proposal.id, accept=True, actor=other, at=AT)
    assert not PolicyActivation.objects.exists()


def test_a_live_policy_judges_at_once_and_is_named_by_every_verdict(house):
    policy = house(stricter())

    with pytest.raises(PromptBlocked) as refusal:
        screened("a red circle")

    assert refusal.value.verdicts[0].policy_hash == policy.hash
    assert bundle_by_hash(policy.hash).version == "test/2"


def test_the_shipped_policy_is_in_force_until_another_is(house):
    assert in_force().live.version.startswith("aup-2026-06-22")


def test_a_job_that_began_before_finishes_under_its_own_policy(house):
    house(fakes.document(version="test/2"))
    prompt = screened()
    house(stricter("test/3"))

    image = release_image(
        pixels=bright(),
        encode=png,
        prompt=prompt,
        job_id=prompt.job_id,
        attempt=1,
        index=0,
        release_slug="krea-2-tiny-turbo",
    )

    assert image.receipt["policy"]["version"] == "test/2"


def test_a_canary_policy_judges_its_share_of_the_jobs(house):
    house(fakes.document(version="test/2"))
    house(stricter("test/3"), mode="canary", share=300)
    judged = {"test/2": 0, "test/3": 0}

    for _ in range(300):
        judged[in_force().for_job(uuid7()).version] += 1

    assert 50 < judged["test/3"] < 130


def test_a_shadow_policy_changes_nothing_and_leaves_its_opinion(house):
    house(fakes.document(version="test/2"))
    house(stricter("test/3"), mode="shadow")
    job = uuid7()

    prompt = screened("a red circle", job)
    record_prompt_decision(prompt, job_id=job, organization_id=job, actor=KEY, at=AT)

    assert Decision.objects.get().outcome == "allow"
    opinion = ShadowDecision.objects.get()
    assert (opinion.live_outcome, opinion.shadow_outcome) == ("allow", "block")


def test_a_trial_ends_with_the_next_live_policy(house):
    house(fakes.document(version="test/2"))
    house(stricter("test/3"), mode="shadow")
    house(fakes.document(version="test/4"))

    assert in_force().shadow is None


def test_a_policy_that_was_changed_in_the_database_judges_nothing(house):
    policy = house(stricter())
    with pgtrigger.ignore("moderation.Policy:append_only"):
        Policy.objects.update(document={**policy.document, "note": 1})
    policies.forget()

    with pytest.raises(GateUnavailable, match="not the one that its hash names"):
        screened()
    assert policy.version == "test/2"


@pytest.mark.parametrize(
    "statement",
    ["UPDATE moderation_policy SET version = 'x'", "DELETE FROM moderation_policy"],
)
def test_the_database_refuses_to_change_a_policy(statement):
    draft(stricter(), acting(person("author")))

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Policy.objects.count() == 1


def test_the_engine_learns_of_the_live_policy_without_a_database(house):
    policy = house(fakes.document(version="test/2"))

    assert f"policy test/2 {policy.hash[:12]}" in self_test("engine")


def test_what_a_hash_bank_knows_stays_refused_in_a_replay(gate):
    actor, prompt = acting(person("author")), screened()
    image = release_image(
        pixels=bright(),
        encode=png,
        prompt=prompt,
        job_id=prompt.job_id,
        attempt=1,
        index=0,
        release_slug="tests",
    )
    sound = image.verdicts[0].as_json()
    known = {**sound, "id": str(uuid7()), "detector": HASH_BANKS, "outcome": "block", "item": "2"}
    record_image_decisions(
        verdicts=[sound, known], job_id=prompt.job_id, organization_id=uuid7(), actor=KEY, at=AT
    )

    policy = draft(stricter(review=900, block=950), actor)
    figures = replay_policy(policy_hash=policy.hash, days=7, actor=actor, at=AT).figures

    assert figures["counts"] == {"same": 1}
