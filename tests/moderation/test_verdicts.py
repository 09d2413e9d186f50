"""The pure rules: how scores become outcomes, and how outcomes add up."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.kernel import bundles
from moderation.kernel.bundles import BundleInvalid, Threshold
from moderation.kernel.outcomes import Outcome, worst
from moderation.kernel.verdicts import (
    Reading,
    ReadingUnusable,
    check_reading,
    judge,
    outcome_of,
    verdict_from_json,
)
from tests.moderation import fakes
from tests.moderation.conftest import screened

outcomes = st.sampled_from(list(Outcome))
scores = st.floats(0, 1)


def test_nothing_at_all_is_no_permission():
    assert worst([]) is Outcome.REVIEW


@given(st.lists(outcomes, min_size=1))
def test_the_aggregate_is_the_most_severe_and_never_milder_than_any(found):
    assert worst(found) in found
    assert all(worst(found).severity >= each.severity for each in found)


@given(st.lists(outcomes, min_size=1), outcomes)
def test_one_more_verdict_never_makes_it_milder(found, more):
    assert worst([*found, more]).severity >= worst(found).severity


@given(scores, scores, st.integers(1, 1000), st.integers(1, 1000))
def test_a_higher_score_is_never_judged_milder(first, second, one, other):
    threshold = Threshold("7", min(one, other) / 1000, max(one, other) / 1000)
    low, high = sorted((first, second))

    assert outcome_of(low, threshold).severity <= outcome_of(high, threshold).severity


@given(scores, outcomes)
def test_a_classifiers_own_rules_are_never_softened_by_its_scores(score, floor):
    required = bundles.parse(fakes.document()).required("input")[0]

    outcome, _item = judge(Reading("0" * 64, {"harm": score}, outcome=floor, item="1"), required)

    assert outcome.severity >= floor.severity


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -0.01, 1.01, None, "0.5"])
def test_a_score_that_is_no_share_is_unusable(score):
    with pytest.raises(ReadingUnusable):
        check_reading(Reading("0", {"harm": score}), subject_sha256="0", labels=("harm",))


def test_a_verdict_crosses_processes_as_json(gate):
    verdict = screened().verdicts[0]

    assert verdict_from_json(json.loads(json.dumps(verdict.as_json()))) == verdict


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"stages": {}},
        {"stages": {"input": {"classifiers": []}, "output": {"classifiers": []}}},
        {"items": {}},
        {"version": None, "items": None},
    ],
)
def test_a_malformed_policy_is_refused_with_a_reason(change):
    with pytest.raises(BundleInvalid):
        bundles.parse({**fakes.document(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"timeout_ms": 0},
        {"labels": []},
        {"items": ["99"]},
        {"thresholds": {"other": {"item": "7", "review_milli": 1, "block_milli": 2}}},
        {"thresholds": {"harm": {"item": "7", "review_milli": 900, "block_milli": 500}}},
        {"thresholds": {"harm": {"item": "7", "review_milli": 0, "block_milli": 500}}},
        {"thresholds": {"harm": {"item": "7", "review_milli": 500, "block_milli": 1001}}},
        {"thresholds": {"harm": {"item": "x", "review_milli": 1, "block_milli": 2}}},
    ],
)
def test_a_malformed_requirement_is_refused(change):
    document = fakes.document()
    document["stages"]["input"]["classifiers"][0].update(change)

    with pytest.raises(BundleInvalid):
        bundles.parse(document)


def test_any_change_to_a_policy_changes_its_hash():
    first, second = fakes.document(), fakes.document()
    second["stages"]["input"]["classifiers"][0]["thresholds"]["harm"]["block_milli"] += 1

    assert bundles.parse(first).hash != bundles.parse(second).hash
