"""What goes wrong, in an order that the seed decides: parts are killed, connections cut and slowed,
answers to COMMIT lost, the blob store is full, messages come twice, a clock is ahead."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.chaos.stack import KINDS, Stack

# A part that is being started again is waited for this long, then this fault is left out.
ABSENT_S = 45.0
PATIENCE_S, LEAD = 12.0, 0.1
SLOW_S, SLOW_FOR_S, FULL_FOR_S = 0.2, 4.0, 5.0
LOST_COMMITS = 3
AHEAD = "+120s"
# What people call the parts: the supervisor runs in the worker, the broker is Valkey.
ALSO = {"supervisor": "kill-worker", "broker": "kill-valkey"}
Act = Callable[[Stack, random.Random], str]


@dataclass(frozen=True)
class Fault:
    """Its name in the result, and what is done; the deed says what it did, or "" where it could not."""

    name: str
    do: Act


def kill(kind: str) -> Fault:
    """SIGKILL for one part."""

    def do(stack: Stack, _dice: random.Random) -> str:
        process = wait_for(stack, kind)
        if process is None:
            return ""
        with suppress(psutil.NoSuchProcess):
            process.kill()
            return f"killed {kind} ({process.pid})"
        return ""

    return Fault(f"kill-{kind}", do)


def cut_database(stack: Stack, _dice: random.Random) -> str:
    """Every connection to PostgreSQL ends."""
    stack.attacked.database.cut()
    return "cut all connections to PostgreSQL"


def cut_redis(stack: Stack, _dice: random.Random) -> str:
    """Every connection to Valkey ends."""
    stack.attacked.redis.cut()
    return "cut all connections to Valkey"


def slow_connections(stack: Stack, _dice: random.Random) -> str:
    """Answers of both servers come late for a while."""
    for proxy in (stack.attacked.database, stack.attacked.redis):
        proxy.slow(SLOW_S)
    time.sleep(SLOW_FOR_S)
    for proxy in (stack.attacked.database, stack.attacked.redis):
        proxy.slow(0)
    return f"slowed both servers by {SLOW_S} s for {SLOW_FOR_S} s"


def lose_commits(stack: Stack, dice: random.Random) -> str:
    """The next commits take place and nobody learns of it."""
    stack.attacked.database.lose_commits(dice.randint(1, LOST_COMMITS))
    return "the next commits lose their answer"


def fill_disk(stack: Stack, _dice: random.Random) -> str:
    """The blob store has no room for a while."""
    if not stack.blobs.is_small:
        return ""
    stack.blobs.fill()
    time.sleep(FULL_FOR_S)
    stack.blobs.free()
    return f"the blob store was full for {FULL_FOR_S} s"


def repeat_messages(stack: Stack, dice: random.Random) -> str:
    """Doorbells and a paid top-up's webhook come again, and in another order."""
    done = stack.run("-m", "tests.chaos.messages", str(dice.randrange(2**31)))
    return done.stdout.strip().splitlines()[-1] if done.returncode == 0 else ""


def sweep_ahead(stack: Stack, _dice: random.Random) -> str:
    """A sweeper whose clock is two minutes ahead takes leases that still hold for lost."""
    faketime = shutil.which("faketime")
    if faketime is None:
        return ""
    done = stack.run("-m", "tests.chaos.sweeper", before=(faketime, "-f", AHEAD))
    return f"swept with a clock at {AHEAD}" if done.returncode == 0 else ""


FAULTS = (
    *map(kill, KINDS),
    Fault("cut-postgres", cut_database),
    Fault("cut-valkey", cut_redis),
    Fault("slow", slow_connections),
    Fault("lost-commit", lose_commits),
    Fault("disk-full", fill_disk),
    Fault("messages", repeat_messages),
    Fault("clock", sweep_ahead),
)


def chosen_faults(only: str) -> tuple[Fault, ...]:
    """The faults of a comma-separated list, by name or by the part that is killed; all for "".

    Raises ValueError for a name that is none, and says which there are.
    """
    by_name = {fault.name: fault for fault in FAULTS}
    asked = [name.strip() for name in only.split(",") if name.strip()]
    names = [name if name in by_name else ALSO.get(name, f"kill-{name}") for name in asked]
    if unknown := [name for name in names if name not in by_name]:
        raise ValueError(f"{', '.join(unknown)} is no fault; there are {', '.join(by_name)}")
    return tuple(by_name[name] for name in names) or FAULTS


def plan(seed: int, faults: int, among: Sequence[Fault] = FAULTS) -> list[tuple[float, Fault]]:
    """Pauses in s and faults; each of ``among`` as often as the others, in an order of the seed."""
    dice = random.Random(seed)
    chosen = [among[number % len(among)] for number in range(faults)]
    dice.shuffle(chosen)
    return [(dice.uniform(0.5, 5.0), fault) for fault in chosen]


def attack(
    stack: Stack,
    seed: int,
    planned: list[tuple[float, Fault]],
    tell: Callable[[str], None],
    allow: Callable[[float], None],
    share_done: Callable[[], float],
) -> "Counter[str]":
    """Carry out the plan; how often each fault took place. ``allow`` is told the share that is done."""
    happened: Counter[str] = Counter()
    dice = random.Random(seed + 1)
    for number, (pause, fault) in enumerate(planned, 1):
        allow(number / len(planned))
        time.sleep(pause)
        wait_for_work(share_done, number / len(planned))
        if not stack.is_up():
            break
        did = fault.do(stack, dice)
        tell(f"fault {number}: {did or fault.name + ' is not possible now'}")
        happened[fault.name] += bool(did)
    return happened


def heal_faults(stack: Stack) -> None:
    """Whatever a fault has left behind."""
    stack.attacked.database.lose_commits(0)
    for proxy in (stack.attacked.database, stack.attacked.redis):
        proxy.slow(0)
    stack.blobs.free()


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
