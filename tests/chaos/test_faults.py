"""Which faults a run of ``make chaos`` has."""

from collections import Counter

import pytest

from tests.chaos.faults import FAULTS, chosen_faults, plan


def test_only_the_named_faults_happen_each_as_often_as_the_others() -> None:
    among = chosen_faults("engine, supervisor,valkey")

    happening = Counter(fault.name for _, fault in plan(7, 30, among))

    assert happening == {"kill-engine": 10, "kill-worker": 10, "kill-valkey": 10}


def test_without_a_choice_every_fault_happens() -> None:
    assert chosen_faults("") == FAULTS


def test_a_name_that_is_no_fault_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"kill-gpu is no fault.*kill-engine.*clock"):
        chosen_faults("engine,gpu")
