"""Thousands of jobs while classifiers, policy, clock, database and receipts break: nothing leaks."""

import numpy as np
import pytest

from governance.kernel.actors import SYSTEM
from governance.kernel.ids import uuid7
from moderation.models import Decision
from moderation.operations.recording import record_image_decisions
from tests.moderation.chaos import JOB_FAULTS, House, chaos_policy, wrongly_released
from tests.moderation.conftest import AT

JOBS = 2_000


def build(gate, seed, record=None):
    gate.use(**chaos_policy(0))
    return House(gate=gate, rng=np.random.default_rng(seed), record=record)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("jobs", [JOBS, pytest.param(5 * JOBS, marks=pytest.mark.slow)])
def test_jobs_under_faults_release_nothing_without_a_full_set_of_verdicts(gate, jobs):
    house = build(gate, seed=2)

    for number in range(jobs):
        house.run(number)

    assert wrongly_released(house) == []
    assert sum(house.outcomes.values()) == jobs
    assert len(house.storage) > jobs / 100, "the test would be empty if nothing were ever released"
    expected = {"PromptBlocked", "PromptHeld", "ImageBlocked", "ImageHeld", "GateUnavailable"}
    assert expected | {"ReceiptInvalid", "ImageUnusable", "ConnectionError"} <= set(house.outcomes)


def test_every_fault_of_a_job_is_met(gate):
    house = build(gate, seed=3)
    drawn = {JOB_FAULTS[house.rng.integers(len(JOB_FAULTS))] for _ in range(1000)}

    assert drawn == set(JOB_FAULTS)


@pytest.mark.django_db
def test_what_is_released_under_faults_is_in_the_decisions_log_of_the_database(gate):
    def record(verdicts):
        record_image_decisions(
            verdicts=verdicts, job_id=uuid7(), organization_id=uuid7(), actor=SYSTEM, at=AT
        )

    house = build(gate, seed=4, record=record)

    for number in range(400):
        house.run(number)

    released = [receipt for *_, receipt in house.storage]
    for receipt in released:
        decision = Decision.objects.get(id=receipt["decision"])
        assert decision.complete
        assert decision.outcome == "allow"
        assert decision.policy_hash == receipt["policy"]["hash"]
        assert decision.verdicts.count() == 2
    assert wrongly_released(house) == []
    assert released
