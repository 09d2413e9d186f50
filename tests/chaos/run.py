"""``make chaos``: hundreds of jobs while every part of the stack is killed and paused, by a seed.

Starts the whole stack on an empty home, lets clients place orders as careful clients do, and meanwhile
kills (SIGKILL) and pauses web, supervisor, engine, beat, Valkey and PostgreSQL. Then it lets the stack
heal, waits until every job is over, and asks the database and the product's own checks what is true.
The last line is JSON; exit status 1 where a number that must be 0 is not.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.clients import Clients
from tests.chaos.faults import Trouble, planned
from tests.chaos.stack import ChaosStack
from tests.chaos.verdict import judge, unfinished

MUST_BE_ZERO = (
    "lost",
    "double_charged",
    "charged_undelivered",
    "delivered_unscreened",
    "ledger_violations",
    "audit_violations",
    "stuck",
)
# After the trouble: as long as jobs end, and this long without one ending.
PATIENCE_S = 60.0


def main() -> int:
    """One run of one seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--threads", type=int, default=12)
    parser.add_argument("--every", type=float, default=4.0, help="s between faults, on average")
    chosen = parser.parse_args()
    say(f"seed {chosen.seed}: {chosen.jobs} jobs, {chosen.faults} faults")
    with tempfile.TemporaryDirectory(prefix="licet-chaos-") as folder:
        Path(folder).chmod(0o755)
        with ChaosStack(Path(folder)) as stack:
            found = ordeal(stack, chosen)
    sys.stdout.write("".join(f"{name:24} {value}\n" for name, value in found.items()))
    sys.stdout.write(json.dumps(found) + "\n")
    return 1 if any(found[name] for name in MUST_BE_ZERO) else 0


def ordeal(stack: ChaosStack, chosen: argparse.Namespace) -> dict[str, Any]:
    """Orders and faults side by side, healing, verdict."""
    began = time.monotonic()
    clients = Clients(
        stack.url,
        stack.key,
        seed=chosen.seed,
        jobs=chosen.jobs,
        threads=chosen.threads,
        seconds=chosen.faults * chosen.every,
    )
    trouble = Trouble(stack, planned(chosen.seed, chosen.faults), chosen.every, chosen.seed)
    for thread in (*clients.threads, trouble.thread):
        thread.start()
    while trouble.thread.is_alive():
        trouble.thread.join(10)
        told = clients.told
        say(
            f"{time.monotonic() - began:5.0f} s  {len(told.accepted)} accepted, "
            f"{sum(trouble.done.values())} faults"
        )
    healed = stack.wait_ready()
    if not healed:
        say(f"not healthy again: {stack.sick}")
    for thread in clients.threads:
        thread.join()
    settle(stack)
    found = {"seed": chosen.seed, "jobs": chosen.jobs, "faults": sum(trouble.done.values())}
    found |= judge(stack, clients.told)
    return found | {
        "healed": healed,
        "hits": trouble.done,
        "seconds": round(time.monotonic() - began),
    }


def settle(stack: ChaosStack) -> None:
    """Until every job is over, or none ended for a minute."""
    left, since = unfinished(stack), time.monotonic()
    while left and time.monotonic() - since < PATIENCE_S:
        time.sleep(1)
        now = unfinished(stack)
        if now < left:
            say(f"{now} jobs to go")
            left, since = now, time.monotonic()


def say(text: str) -> None:
    """Progress, apart from the result."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
