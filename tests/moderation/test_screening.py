"""What reaches the text encoder has been allowed by every required classifier, or does not."""

import copy
import dataclasses
import pickle
import time

import pytest

from governance.kernel.errors import InvalidRequest
from governance.kernel.ids import uuid7
from moderation.kernel.passes import NotFromTheGate, ScreenedPrompt
from moderation.operations.screening import (
    GateUnavailable,
    PromptBlocked,
    PromptHeld,
    ReceiptInvalid,
    restore_screened_prompt,
    screen_prompt,
)
from tests.moderation import fakes
from tests.moderation.conftest import AT, screened


def test_an_allowed_prompt_names_its_policy_its_verdicts_and_its_decision(gate):
    prompt = screened("a red circle")

    assert prompt.text == "a red circle"
    assert prompt.policy.version == "test/1"
    assert [verdict.detector for verdict in prompt.verdicts] == ["sound"]
    assert prompt.verdicts[0].policy_hash == prompt.policy.hash
    assert prompt.verdicts[0].decision_id == str(prompt.decision_id)


def test_a_prompt_against_the_policy_is_refused_with_all_facts(gate):
    with pytest.raises(PromptBlocked) as refusal:
        screened("something forbidden")

    facts = refusal.value.facts
    assert refusal.value.status == 400
    assert refusal.value.code == "moderation_blocked"
    assert refusal.value.openai_type == "image_generation_user_error"
    assert facts["stage"] == "input"
    assert facts["aup_items"] == ["7"]
    assert facts["charged_microusd"] == 0
    assert facts["decision_id"] in facts["appeal_url"]
    assert facts["error_extra"]["moderation"]["aup_items"] == ["7"]
    assert refusal.value.verdicts[0].scores == {"harm": 0.95}


def test_a_doubtful_prompt_is_held_for_a_person(gate):
    with pytest.raises(PromptHeld) as held:
        screened("something doubtful")

    assert held.value.code == "moderation_review"
    assert "person will look" in held.value.detail


@pytest.mark.parametrize("fault", fakes.FAULTS, ids=lambda fault: fault.__name__)
def test_a_classifier_that_gives_no_usable_answer_refuses(gate, fault):
    gate.use(faulty=fault, input_names=("sound", "faulty"), timeout_ms=150)

    with pytest.raises(GateUnavailable) as refusal:
        screened()

    assert refusal.value.status == 503
    assert refusal.value.retryable
    assert [each.status for each in refusal.value.verdicts] == ["done", "failed"]
    assert refusal.value.verdicts[1].outcome == "review"
    assert refusal.value.verdicts[1].error


def test_a_failing_classifier_of_items_one_and_two_counts_as_a_block(gate):
    gate.use(faulty=fakes.Raises, input_names=("faulty",), items=("1",))

    with pytest.raises(GateUnavailable) as refusal:
        screened()

    assert refusal.value.verdicts[0].outcome == "block"


def test_a_hanging_classifier_costs_no_more_than_its_limit(gate):
    gate.use(faulty=fakes.Hangs, input_names=("faulty",), timeout_ms=100)
    started = time.monotonic()

    with pytest.raises(GateUnavailable):
        screened()

    assert time.monotonic() - started < 5


def test_a_required_classifier_that_nobody_configured_refuses(gate):
    gate.use(input_names=("sound", "absent"))

    with pytest.raises(GateUnavailable):
        screened()


def test_a_refusal_stands_although_another_classifier_fails(gate):
    gate.use(faulty=fakes.Raises, input_names=("faulty", "sound"))

    with pytest.raises(PromptBlocked):
        screened("forbidden")


def test_a_rule_inside_a_classifier_blocks_whatever_the_scores(gate):
    gate.use(faulty=fakes.RulesSayBlock, input_names=("faulty",))

    with pytest.raises(PromptBlocked) as refusal:
        screened()

    assert refusal.value.facts["aup_items"] == ["1"]


def test_a_policy_without_classifiers_allows_nothing(gate):
    gate.use(document={**fakes.document(), "stages": {"input": {"classifiers": []}}})

    with pytest.raises(GateUnavailable):
        screened()


def test_a_missing_policy_allows_nothing(gate, settings, tmp_path):
    settings.MODERATION_POLICY = str(tmp_path / "absent.json")

    with pytest.raises(GateUnavailable):
        screened()


@pytest.mark.parametrize("text", ["half a pair \ud800", "a\0b"])
def test_text_that_is_no_text_is_refused_as_invalid(gate, text):
    with pytest.raises(InvalidRequest):
        screened(text)


def test_another_process_restores_the_prompt_from_its_receipt(gate):
    job = uuid7()
    prompt = screened("a red circle", job)

    again = restore_screened_prompt(text="a red circle", receipt=prompt.receipt, job_id=job)

    assert (again.text_sha256, again.policy, again.decision_id) == (
        prompt.text_sha256,
        prompt.policy,
        prompt.decision_id,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"text_sha256": "0" * 64},
        {"outcome": "block"},
        {"job": str(uuid7())},
        {"policy": {"version": "test/1", "hash": "0" * 64}},
        {"signature": "0" * 64},
        {"signature": None},
        {"verdicts": []},
    ],
)
def test_a_changed_receipt_restores_nothing(gate, change):
    job = uuid7()
    prompt = screened("a red circle", job)

    with pytest.raises(ReceiptInvalid):
        restore_screened_prompt(
            text="a red circle", receipt={**prompt.receipt, **change}, job_id=job
        )


def test_a_receipt_fits_no_other_text_and_no_other_job(gate):
    job = uuid7()
    receipt = screened("a red circle", job).receipt

    for text, other in (("a red circle.", job), ("a red circle", uuid7())):
        with pytest.raises(ReceiptInvalid):
            restore_screened_prompt(text=text, receipt=receipt, job_id=other)


def test_a_receipt_of_another_key_restores_nothing(gate, settings):
    job = uuid7()
    receipt = screened("a red circle", job).receipt
    settings.RECEIPT_KEY = b"another key"

    with pytest.raises(ReceiptInvalid):
        restore_screened_prompt(text="a red circle", receipt=receipt, job_id=job)


@pytest.mark.parametrize("receipt", [{}, {"signature": "x"}, None, [], "x"])
def test_what_is_no_receipt_restores_nothing(gate, receipt):
    with pytest.raises(ReceiptInvalid):
        restore_screened_prompt(text="a", receipt=receipt, job_id=uuid7())


def test_nobody_makes_copies_or_unpickles_a_screened_prompt(gate):
    prompt = screened()
    fields = {
        field.name: getattr(prompt, field.name) for field in dataclasses.fields(ScreenedPrompt)
    }

    with pytest.raises(NotFromTheGate):
        ScreenedPrompt(**fields, seal=object())
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(NotFromTheGate):
            attempt(prompt)
    with pytest.raises((ValueError, TypeError)):
        dataclasses.replace(prompt, text="another")
    with pytest.raises(dataclasses.FrozenInstanceError):
        prompt.text = "another"
    with pytest.raises(NotFromTheGate):
        type("Forged", (ScreenedPrompt,), {})


def test_every_kind_of_text_that_reaches_the_encoder_is_screened_alike(gate):
    for kind in ("prompt", "negative", "expanded", "trigger"):
        prompt = screen_prompt(
            text="a red circle", kind=kind, subject=uuid7(), organization_id=uuid7(), at=AT
        )

        assert prompt.kind == kind
        assert prompt.receipt["kind"] == kind
