"""What is done to a running stack, by a seed: kills and pauses."""

import random
import signal
import threading
import time
from dataclasses import dataclass

import psutil

from tests.chaos.stack import PARTS, ChaosStack

# How often each part is hit, and the share of hits that only pause it.
WEIGHTS = {"web": 3, "supervisor": 3, "engine": 4, "beat": 1, "valkey": 3, "postgres": 3}
PAUSES = 0.3
LONGEST_PAUSE_S = 8.0


@dataclass(frozen=True)
class Fault:
    """One hit: a part, and how long it is paused; 0 is SIGKILL."""

    part: str
    pause_s: float


def planned(seed: int, count: int) -> list[Fault]:
    """The faults of a seed, in order."""
    rng = random.Random(seed)
    parts = rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=count)
    return [
        Fault(part, rng.uniform(0.5, LONGEST_PAUSE_S) if rng.random() < PAUSES else 0.0)
        for part in parts
    ]


class Trouble:
    """Hits the stack with its faults, one after the other, until it is told to stop."""

    def __init__(self, stack: ChaosStack, faults: list[Fault], every_s: float, seed: int) -> None:
        self.stack, self.faults, self.every_s = stack, faults, every_s
        self.rng = random.Random(seed + 1)
        self.done: dict[str, int] = dict.fromkeys(PARTS, 0)
        self.thread = threading.Thread(target=self.run, name="trouble", daemon=True)

    def run(self) -> None:
        """All faults, with breaths of random length between them."""
        for fault in self.faults:
            time.sleep(self.rng.uniform(0.2, 2.0) * self.every_s)
            self.hit(fault)

    def hit(self, fault: Fault) -> None:
        """Kill or pause what lives of the part; a part that is down just now counts as no fault."""
        victims = self.stack.processes(fault.part)
        if not victims:
            return
        self.done[fault.part] += 1
        try:
            for victim in victims:
                victim.send_signal(signal.SIGSTOP if fault.pause_s else signal.SIGKILL)
            time.sleep(fault.pause_s)
        except psutil.Error:
            return
        finally:
            for victim in victims if fault.pause_s else []:
                try:
                    victim.send_signal(signal.SIGCONT)
                except psutil.Error:
                    continue
