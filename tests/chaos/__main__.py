"""``make chaos``: break every part of a running stack while clients order images, then check the books.

    python -m tests.chaos [--seed N] [--jobs 300] [--faults 30] [--clients 24] [--size 64x64]
                          [--only engine,supervisor,valkey]

Starts `manage.py up` on a LICET_HOME of its own, which it deletes afterwards (``--keep`` leaves it), and
PostgreSQL and Valkey behind proxies. A full disk needs root (a small tmpfs), a skewed clock Debian's package
faketime; without them these faults are left out, and the count in the last line shows it.
``--only`` takes faults by name, or parts to kill: ``supervisor`` is the worker, in which the supervisor
runs, and ``broker`` is Valkey.
The last line is JSON; exit status 1 where a promise was broken. A seed gives the same jobs and the same
faults in the same order, not the same interleaving.
"""

import argparse
import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos.clients import Crowd, wishes
from tests.chaos.faults import FAULTS, Fault, attack, chosen_faults, heal_faults, plan
from tests.chaos.stack import Stack, wait_for_kinds

# ruff: noqa: T201 (a program for people; its last line is the result)

# When everything is healed (each part back, /readyz content) and no job has ended for this long, what is
# open is stuck. Healing takes what an engine needs to load on a shared processor.
STILL_S = 60.0
BACK_S = 240.0
PROMISES = (
    "lost", "double_charged", "double_delivered", "charged_undelivered", "told_otherwise",
    "delivered_unscreened", "stuck",
)  # fmt: skip


def main() -> int:
    """Run once; 0 when every promise was kept."""
    wanted = arguments()
    tell(f"seed {wanted.seed}: {wanted.jobs} jobs, {wanted.faults} faults")
    home = Path(tempfile.mkdtemp(prefix="licet-chaos-"))
    home.chmod(0o711)
    try:
        result = run(home, wanted)
    finally:
        if wanted.keep:
            tell(f"kept {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    print(json.dumps(result), flush=True)
    return 0 if result["kept"] else 1


def arguments() -> argparse.Namespace:
    """Sizes and the seed."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--size", default="64x64")
    parser.add_argument("--tenants", type=int, default=3)
    parser.add_argument("--only", type=faults_named, default=FAULTS, help="faults, by name or part")
    parser.add_argument("--keep", action="store_true", help="leave the LICET_HOME for a look")
    return parser.parse_args()


def faults_named(only: str) -> tuple[Fault, ...]:
    """The faults of ``--only``. Raises ArgumentTypeError with the names that there are."""
    try:
        return chosen_faults(only)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(home: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """The whole experiment; what came of it."""
    began = time.monotonic()
    stack = Stack(home, tell)
    try:
        keys = stack.ask("-m", "inference.benchmarks.world", str(wanted.tenants))
        crowd = Crowd(
            [stack.url], keys, wishes(wanted.jobs, wanted.seed, wanted.size), wanted.clients
        )
        crowd.start()
        planned = plan(wanted.seed, wanted.faults, wanted.only)
        happened = attack(stack, wanted.seed, planned, tell, crowd.allow, crowd.share_done)
        crowd.allow(1.0)
        tell(f"no more faults after {time.monotonic() - began:.0f} s, {crowd.done} jobs done")
        stopped = time.monotonic()
        missing = heal(stack)
        settle(stack, crowd)
        settled_s = time.monotonic() - stopped
        if not stack.is_up():
            raise SystemExit(f"`manage.py up` itself ended: {stack.last_words()}")
        found = audit(stack, crowd, home)
        result = summary(wanted, happened, found)
        result["down"] = missing
        result["drain_s"] = round(settled_s, 1)
        result["seconds"] = round(time.monotonic() - began, 1)
        result["kept"] = result["kept"] and not missing
        return result
    finally:
        stack.close()


def heal(stack: Stack) -> list[str]:
    """End all faults, wait until every part runs, an engine is ready and /readyz says so; what does not."""
    heal_faults(stack)
    until = time.monotonic() + BACK_S
    missing = wait_for_kinds(stack, BACK_S)
    while time.monotonic() < until:
        ready = stack.readyz()
        if not missing and not ready:
            return []
        time.sleep(1)
    return [*missing, *stack.readyz()]


def settle(stack: Stack, crowd: Crowd) -> None:
    """Until no job and no hold is open, or nothing has ended for STILL_S: everything is healed by now."""
    last = -1
    moved = time.monotonic()
    while time.monotonic() - moved < STILL_S and stack.is_up():
        state = stack.ask("-m", "tests.chaos.books", "open")
        if not (state["open_jobs"] or state["open_holds"] or crowd.is_busy()):
            return
        if state["finished"] != last:
            last, moved = state["finished"], time.monotonic()
        time.sleep(2)


def audit(stack: Stack, crowd: Crowd, home: Path) -> dict[str, Any]:
    """What the books say, then the house's own two checks."""
    told = home / "told.json"
    told.write_text(json.dumps(list(map(as_json, crowd.told))))
    found: dict[str, Any] = stack.ask("-m", "tests.chaos.books", "check", str(told))
    ledger = stack.run("manage.py", "check_ledger", "--json")
    found["ledger"] = json.loads(ledger.stdout.strip().splitlines()[-1])
    found["audit"] = verified(stack.run("manage.py", "verify_audit", "--full"))
    return found


def as_json(told: Any) -> dict[str, Any]:
    """What one client was told, for the books."""
    return {
        "key": told.wish.idempotency_key,
        "ids": sorted(told.ids),
        "status": told.status,
        "sha256": told.sha256,
        "charged": told.charged,
        "tries": told.tries,
    }


def verified(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The JSON of verify_audit, which stands on standard error where the log does not hold."""
    lines = (done.stdout + done.stderr).strip().splitlines()
    facts = [line for line in lines if line.startswith("{")]
    result: dict[str, Any] = json.loads(facts[-1]) if facts else {"findings": 1, "said": lines[-3:]}
    return result


def summary(
    wanted: argparse.Namespace, happened: "Counter[str]", found: dict[str, Any]
) -> dict[str, Any]:
    """The last line: counts only; what broke is told above it."""
    for name in PROMISES:
        for what in found[name][:10]:
            tell(f"{name}: {what}")
    counts = {name: len(found[name]) for name in PROMISES}
    wrong = {
        "ledger_violations": found["ledger"]["violations"],
        "audit_violations": found["audit"]["findings"],
    }
    return {
        "seed": wanted.seed,
        "jobs": wanted.jobs,
        "faults": sum(happened.values()),
        "by_fault": dict(happened),
        **counts,
        **wrong,
        "states": found["states"],
        "errors": found["errors"],
        "kept": not any(counts.values()) and not any(wrong.values()),
    }


def tell(line: str) -> None:
    """Progress for people."""
    print(f"chaos: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
