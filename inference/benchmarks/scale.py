"""``make bench-scale``: the main reads and the admission on few and on many rows, ratio and bytes a generation.

Fills two databases, asks both in turn so that a busy machine slows both alike, and compares the medians of
the wall time. Also the CPU time of our process and of PostgreSQL's for each read, and the bytes that each table
and its indexes take a generation. Prints a table, then one line of JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inference.benchmarks.home import ROOT, Home, Meter

MOST_RATIO = 1.2
TABLES = """
SELECT c.relname, c.reltuples::bigint, pg_table_size(c.oid), pg_indexes_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'm', 'p') AND c.reltuples >= %s ORDER BY 3 + 4 DESC, 1
"""


def main() -> int:
    """Fill both, ask both, print; 1 where a read is more than 1.2 times slower on the larger one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000, help="generations")
    parser.add_argument("--large", type=int, default=10_000_000, help="generations")
    parser.add_argument("--organizations", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=20, help="of each read in a round")
    parser.add_argument(
        "--folder", type=Path, help="keep the databases here, and use those that are there"
    )
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve is not None:
        return serve(asked.serve, asked.organizations)
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as made:
        folder = asked.folder or Path(made)
        with (
            side(folder / "small", asked.small, asked) as small,
            side(folder / "large", asked.large, asked) as large,
        ):
            result = compare(small, large, asked)
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if not result["over"] else 1


@contextmanager
def side(
    folder: Path, generations: int, asked: argparse.Namespace
) -> "Iterator[subprocess.Popen[str]]":
    """A process that answers for one filled database; filled now where it is not yet."""
    folder.mkdir(parents=True, exist_ok=True)
    home = Home(folder, tenants=1)
    home.servers.start() if (folder / "filled").exists() else home.open()
    command = [sys.executable, "-m", "inference.benchmarks.scale", "--serve", str(generations)]
    command += ["--organizations", str(asked.organizations)]
    process = subprocess.Popen(  # noqa: S603 (our own module)
        command, cwd=ROOT, env=home.environment() | {"LICET_LOG_LEVEL": "ERROR"}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        home.close()


def ask(process: "subprocess.Popen[str]", name: str, repeats: int) -> dict[str, Any]:
    """One question to a side. Raises SystemExit where it has died."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"name": name, "repeats": repeats}) + "\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"the side that was asked for {name!r} has died")
    found: dict[str, Any] = json.loads(line)
    return found


def compare(small: Any, large: Any, asked: argparse.Namespace) -> dict[str, Any]:
    """Medians over the rounds, and the tables of the larger side."""
    names = ask(small, "names", 0)["names"]
    about = [ask(each, "tables", 0) for each in (small, large)]
    found: dict[str, Any] = {name: [[], []] for name in names}
    for number in range(asked.rounds + 1):
        for name in names:
            order = (0, 1) if number % 2 else (1, 0)
            for which in order:
                measured = ask((small, large)[which], name, asked.repeats)
                if number:
                    found[name][which].append(measured)
    reads = {name: row_of(*sides) for name, sides in found.items()}
    for name, row in reads.items():
        sys.stdout.write(
            f"{name:38} {row['small_ms']:8.2f} ms {row['large_ms']:8.2f} ms  ratio {row['ratio']:5.2f}"
            f"  CPU ms {row['python_cpu_ms']:6.2f} ours {row['postgres_cpu_ms']:6.2f} PostgreSQL\n"
        )
    sys.stdout.write("bytes a generation at the larger size\n")
    for name, row in about[1]["tables"].items():
        sys.stdout.write(
            f"{name:38} {row['rows_a_generation']:6.2f} rows {row['heap']:8.0f} heap {row['indexes']:8.0f} indexes\n"
        )
    return {
        "small": asked.small, "large": asked.large, "fill_s": about[1]["fill_s"],
        "database_bytes": about[1]["database_bytes"], "reads": reads, "tables": about[1]["tables"],
        "over": sorted(name for name, row in reads.items() if row["ratio"] > MOST_RATIO),
    }  # fmt: skip


def row_of(small: list[dict[str, float]], large: list[dict[str, float]]) -> dict[str, float]:
    """One read: the median of the rounds' medians of both sides, and the larger one's CPU time."""

    def middle(side: list[dict[str, float]], what: str) -> float:
        return statistics.median(each[what] for each in side)

    few, many = middle(small, "ms"), middle(large, "ms")
    return {
        "small_ms": round(few, 3),
        "large_ms": round(many, 3),
        "ratio": round(many / few, 2),
        "python_cpu_ms": round(middle(large, "python_cpu_ms"), 2),
        "postgres_cpu_ms": round(middle(large, "postgres_cpu_ms"), 2),
    }


def serve(generations: int, organizations: int) -> int:
    """Answer the questions of the standard input for this process's database."""
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    from inference.benchmarks.filling import Size, fill, settle
    from inference.benchmarks.scale_reads import main_reads

    mark = Path(settings.LICET_HOME) / "filled"
    if not mark.exists():
        began = time.perf_counter()
        fill(Size(organizations, organizations * 5, generations))
        settle()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        mark.write_text(str(round(time.perf_counter() - began)))
    reads = main_reads()
    for line in sys.stdin:
        question = json.loads(line)
        if question["name"] == "names":
            answer: dict[str, Any] = {"names": list(reads)}
        elif question["name"] == "tables":
            answer = {"fill_s": int(mark.read_text()), **tables(generations)}
        else:
            answer = timed(reads[question["name"]], question["repeats"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


def timed(read: Any, repeats: int) -> dict[str, float]:
    """Median wall time, mean CPU time of this process and of its PostgreSQL backend, ms."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    server, times = Meter([backend]), []
    server_before, own_before = server.cpu_s(), time.process_time()
    for _ in range(repeats):
        began = time.perf_counter()
        read()
        times.append((time.perf_counter() - began) * 1000)
    return {
        "ms": statistics.median(times),
        "python_cpu_ms": (time.process_time() - own_before) * 1000 / repeats,
        "postgres_cpu_ms": (server.cpu_s() - server_before) * 1000 / repeats,
    }


def tables(generations: int) -> dict[str, Any]:
    """Bytes and rows a generation of each table that grows with them."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (whole,) = cursor.fetchone()
        cursor.execute(TABLES, [generations // 20])
        rows = cursor.fetchall()
    return {
        "database_bytes": whole,
        "tables": {
            name: {
                "rows_a_generation": round(count / generations, 3),
                "heap": round(heap / generations, 1),
                "indexes": round(indexes / generations, 1),
            }
            for name, count, heap, indexes in rows
        },
    }


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "governance.settings")
    sys.exit(main())
