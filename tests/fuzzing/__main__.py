"""``make fuzz``: every target for some seconds or inputs; a table, and JSON last.

ARGS: --seconds N (each target), --inputs N (each target), --target NAME (repeatable), --seed N,
--keep FOLDER for the inputs of findings. Exit status 1 where there is a finding.
"""

# ruff: noqa: T201 (it speaks to a person at a terminal)

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import django


def main() -> int:
    django.setup()
    from tests.fuzzing.running import Budget, fuzz
    from tests.fuzzing.targets import TARGETS

    parser = argparse.ArgumentParser(prog="make fuzz ARGS=")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each target; 0: no end")
    parser.add_argument("--inputs", type=int, default=0, help="of each target; 0: no end")
    parser.add_argument("--target", action="append", choices=[each.name for each in TARGETS])
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    given = parser.parse_args()
    print(
        f"seed {given.seed}\n{'target':20}{'inputs':>10}{'accepted':>10}{'a second':>10}  findings"
    )
    figures, bad = {}, []
    for target in TARGETS:
        if given.target and target.name not in given.target:
            continue
        result = fuzz(target, budget=Budget(given.inputs, given.seconds), seed=given.seed)
        rate = result.inputs / max(result.seconds, 1e-9)
        print(
            f"{target.name:20}{result.inputs:10}{result.accepted:10}{rate:10.0f}"
            f"  {len(result.findings)}",
            flush=True,
        )
        figures[target.name] = result.inputs
        for finding in result.findings:
            given.keep.mkdir(parents=True, exist_ok=True)
            file = given.keep / f"{target.name}-{hashlib.sha256(finding.data).hexdigest()[:12]}"
            file.write_bytes(finding.data)
            print(f"    {finding.kind}: {finding.detail} ({file})", flush=True)
            bad.append({"target": target.name, "kind": finding.kind, "file": str(file)})
    print(
        json.dumps(
            {
                "seed": given.seed,
                "inputs": sum(figures.values()),
                "targets": figures,
                "findings": bad,
            }
        )
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
