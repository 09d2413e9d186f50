"""What goes wrong: SIGKILL for one part after the other, in an order that the seed decides."""

import random
import time
from collections import Counter
from collections.abc import Callable

import psutil

from tests.chaos.stack import KINDS, Stack

# A part that is being started again is waited for this long, then this fault is left out.
ABSENT_S = 45.0
PATIENCE_S, LEAD = 12.0, 0.1


def plan(seed: int, faults: int) -> list[tuple[float, str]]:
    """Pauses in s and victims; each kind as often as the others, in an order of the seed."""
    dice = random.Random(seed)
    victims = [KINDS[number % len(KINDS)] for number in range(faults)]
    dice.shuffle(victims)
    return [(dice.uniform(0.5, 6.0), victim) for victim in victims]


def attack(
    stack: Stack,
    seed: int,
    faults: int,
    tell: Callable[[str], None],
    allow: Callable[[float], None],
    share_done: Callable[[], float],
) -> "Counter[str]":
    """Carry out the plan; how often each kind was killed. ``allow`` is told the share that is done."""
    killed: Counter[str] = Counter()
    for number, (pause, victim) in enumerate(plan(seed, faults), 1):
        allow(number / faults)
        time.sleep(pause)
        wait_for_work(share_done, number / faults)
        if not stack.is_up():
            break
        process = wait_for(stack, victim)
        if process is None:
            tell(f"fault {number}: {victim} is down already")
            continue
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
        killed[victim] += 1
        tell(f"fault {number}: killed {victim} ({process.pid})")
    return killed


def wait_for_work(share_done: Callable[[], float], share: float) -> None:
    """Until the clients are as far as the faults, but PATIENCE_S at most: faults shall meet work, and
    also a system that has not recovered from the fault before.
    """
    until = time.monotonic() + PATIENCE_S
    while share_done() < share - LEAD and time.monotonic() < until:
        time.sleep(0.2)


def wait_for(stack: Stack, kind: str) -> psutil.Process | None:
    """The victim, waited for while the stack starts it again after an earlier fault."""
    until = time.monotonic() + ABSENT_S
    while (found := stack.find(kind)) is None and time.monotonic() < until and stack.is_up():
        time.sleep(0.2)
    return found
