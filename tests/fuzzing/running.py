"""A run of one target: its seeds first, then inputs made from them, until the budget is spent."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fuzzing.mutation import mutated
from tests.fuzzing.target import Runs, Target
from tests.fuzzing.watching import Finding, watch

MOST_FINDINGS = 20


@dataclass
class Result:
    """What came of a target's run."""

    target: str
    inputs: int = 0
    accepted: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Budget:
    """When a run ends: after so many inputs or seconds, whichever comes first; 0 means no end."""

    inputs: int = 0
    seconds: float = 0.0

    def is_spent(self, inputs: int, seconds: float) -> bool:
        return bool(
            (self.inputs and inputs >= self.inputs) or (self.seconds and seconds >= self.seconds)
        )


def fuzz(
    target: Target,
    *,
    budget: Budget,
    seed: int,
    run: Runs | None = None,
) -> Result:
    """Feed ``target`` its seeds and then changed ones, in this process. The seed repeats the run."""
    assert budget.inputs or budget.seconds, "a run has an end"
    run = run or target.prepare()
    seeds = [bytes(each) for each in target.seeds()]
    source = random.Random(f"{seed} {target.name}")
    result, began, known = Result(target.name), time.monotonic(), set[str]()
    while not budget.is_spent(result.inputs, time.monotonic() - began):
        data = next_input(target, seeds, source, result.inputs)
        accepted, finding = watch(target, run, data)
        result.inputs += 1
        result.accepted += accepted
        # One finding for each way to fail: the same place is not told twice.
        if finding is not None and (name := f"{finding.kind}{finding.detail[-60:]}") not in known:
            known.add(name)
            result.findings.append(smaller(target, run, finding))
        if len(result.findings) >= MOST_FINDINGS:
            break
    result.seconds = time.monotonic() - began
    return result


def next_input(target: Target, seeds: Sequence[bytes], source: random.Random, number: int) -> bytes:
    if number < len(seeds):
        return seeds[number]
    return mutated(source, seeds, target.words, target.form, target.largest)


def smaller(target: Target, run: Runs, finding: Finding, tries: int = 200) -> Finding:
    """A shorter input that fails in the same way, as far as some tries find one."""
    if finding.kind in {"TooSlow", "TooMuchMemory"}:
        return finding
    best, step = finding, max(1, len(finding.data) // 2)
    while step and tries:
        at = 0
        while at < len(best.data) and tries:
            tries -= 1
            _, found = watch(target, run, best.data[:at] + best.data[at + step :])
            if found is not None and found.kind == best.kind:
                best = found
            else:
                at += step
        step //= 2
    return best
