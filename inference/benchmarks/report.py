"""``make bench-report``: a compliance report of the whole deployment over a closed month of a million generations.

Fills a database of its own, makes the bundle with the application's own function, and checks it with the
bundle's verify.py in another process. Seconds of each part, this process's peak of memory, bytes of the bundle,
differences of the reconciliation. Prints a table, then one line of JSON.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from governance.benchmarks.server import ROOT, own_database

MOST_S = 60
DAYS = 28


def main() -> int:
    """Fill, report, verify; 1 where it takes more than a minute, differs or does not verify."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generations", type=int, default=1_000_000)
    parser.add_argument("--organizations", type=int, default=100)
    asked = parser.parse_args()
    with own_database() as folder:
        result = measure(asked.generations, asked.organizations, folder)
    for name, value in result.items():
        sys.stdout.write(f"{name:44} {value}\n")
    sys.stdout.write(json.dumps(result) + "\n")
    good = result["report_s"] <= MOST_S and not result["differences"] and result["verified"]
    return 0 if good else 1


def measure(generations: int, organizations: int, folder: Path) -> dict[str, Any]:
    """Every figure of the benchmark."""
    from django.utils.timezone import now

    from governance.operations.audit_tree import publish_checkpoint, sequence_entries
    from governance.reports.making import write_report
    from inference.benchmarks.filling import Size, fill, say
    from inference.benchmarks.world import main as make_world

    make_world(1)
    until = now().astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    began = time.perf_counter()
    fill(
        Size(organizations, organizations * 5, generations, audited_percent=100),
        until=until,
        days=DAYS,
    )
    filled = time.perf_counter()
    say("leaves")
    sequence_entries()
    publish_checkpoint(at=now())
    sequenced = time.perf_counter()
    say("report")
    steps: list[tuple[float, str]] = []
    bundle = folder / "bundle.zip"
    with bundle.open("wb") as target:
        report = write_report(
            None, month_before(until), target, at=now(),
            note=lambda _percent, step: steps.append((time.perf_counter(), step)),
        )  # fmt: skip
    done = time.perf_counter()
    counted = next(at for at, step in steps if step == "Counting")
    written = next(at for at, step in steps if step == "Entries and proofs")
    entries = next(at for at, step in steps if step.endswith("entries"))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    checked = verified(bundle)
    return {
        "generations": generations,
        "entries": report.document["figures"]["entries"],
        "fill_s": round(filled - began, 1),
        "sequenced_s": round(sequenced - filled, 1),
        "report_s": round(done - sequenced, 1),
        "counting_and_reconciling_s": round(written - counted, 1),
        "pdf_csv_json_and_proof_s": round(entries - written, 1),
        "entries_and_signature_s": round(done - entries, 1),
        "peak_memory_mb": round(peak_mb),
        "bundle_mb": round(bundle.stat().st_size / 1e6, 1),
        "files": len(zipfile.ZipFile(bundle).namelist()),
        "differences": report.document["status"]["differences"],
        "differing": [c["name"] for c in report.document["reconciliation"] if c["differences"]],
        **checked,
    }


def month_before(moment: datetime) -> str:
    """The label of the month that ended at ``moment``."""
    return f"{moment - timedelta(days=1):%Y-%m}"


def verified(bundle: Path) -> dict[str, Any]:
    """What the stand-alone program of the bundle says, and its seconds."""
    program = bundle.parent / "verify.py"
    program.write_bytes(zipfile.ZipFile(bundle).read("verify.py"))
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 (the bundle's own program)
        [sys.executable, "-I", str(program), str(bundle)],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    return {"verified": done.returncode == 0, "verify_s": round(time.perf_counter() - began, 1)}


if __name__ == "__main__":
    sys.exit(main())
