"""``make bench-ledger``: the ledger beside pgbench's own TPC-B, in one run on one durable PostgreSQL.

Rounds are interleaved, because the machines are noisy: only ratios within a run mean anything. Prints a
table, then one line of JSON.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from billing.benchmarks import scripts
from governance.stack.layout import Layout
from governance.stack.postgres import Postgres
from governance.stack.processes import Fate
from governance.stack.programs import postgres_programs

ROOT = Path(__file__).resolve().parents[2]
TPS = re.compile(r"tps = ([\d.]+)")
CLIENTS = (1, 8, 32)
TPCB_SCALE = 20
PROCESSES = 4
YOUNG = 10_000


class Bench:
    """One PostgreSQL, and everything that is run against it."""

    def __init__(self, folder: Path, seconds: int) -> None:
        layout = Layout(folder)
        layout.prepare()
        self.server = Postgres(layout, Fate(None))
        self.seconds = seconds
        self.folder = folder

    def prepare(self) -> None:
        """Start, migrate, seed, and make TPC-B's tables."""
        self.server.start()
        self.server.wait_ready()
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE tpcb")
            connection.execute("DROP DATABASE IF EXISTS bench")
            connection.execute("CREATE DATABASE bench")
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"],
            cwd=ROOT, env=self.environment(), check=True,
        )  # fmt: skip
        self.sql(scripts.seed())
        # For growth(): both of its ledgers begin as copies of an unused one.
        self.sql("CREATE DATABASE unused TEMPLATE bench", "postgres")
        self.pgbench("tpcb", "-i", "-q", "-s", str(TPCB_SCALE))
        for name, text in scripts.SCRIPTS.items():
            (self.folder / f"{name}.sql").write_text(text)

    def environment(self, database: str = "bench") -> dict[str, str]:
        """What the application's processes need."""
        return {
            **os.environ,
            "DATABASE_URL": self.server.url(database) + "&pool=off",
            "REDIS_URL": "redis://unused",
            "DJANGO_SETTINGS_MODULE": "governance.settings",
        }

    def sql(self, text: str, database: str = "bench") -> None:
        """Run statements in a database of the ledger."""
        with psycopg.connect(self.server.url(database), autocommit=True) as connection:
            connection.execute(text)

    def one(self, text: str) -> int:
        """The single number that a query answers."""
        with psycopg.connect(self.server.url("bench"), autocommit=True) as connection:
            row = connection.execute(text).fetchone()
        assert row is not None, text
        return int(row[0])

    def pgbench(self, database: str, *options: str) -> str:
        """Run pgbench; what it printed."""
        parts = urlsplit(self.server.url(database))
        host = parse_qs(parts.query)["host"][0]
        program = str(postgres_programs(self.server.account) / "pgbench")
        done = subprocess.run(  # noqa: S603 (our own command)
            [program, "-h", host, "-U", "postgres", *options, database],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"pgbench failed: {done.stderr[-2000:]}")
        return done.stdout

    def rate(self, name: str, clients: int, database: str = "bench") -> float:
        """Units a second of one script (or of TPC-B) with so many clients."""
        load = ["-c", str(clients), "-j", str(min(clients, 2)), "-T", str(self.seconds)]
        if name == "tpcb":
            printed = self.pgbench("tpcb", "-n", "-M", "prepared", *load)
        else:
            script = ["-n", "-M", "prepared", "-f", str(self.folder / f"{name}.sql")]
            printed = self.pgbench(database, *script, *load)
        found = TPS.search(printed)
        assert found, printed
        return float(found[1]) * scripts.UNITS.get(name, 1)

    def application_rate(
        self, clients: int, *options: str, organizations: int = scripts.ORGANIZATIONS
    ) -> float:
        """Holds (or pairs) a second of the application's own operations, from Python processes."""
        threads = max(1, clients // PROCESSES)
        running = [
            subprocess.Popen(  # noqa: S603 (our own command)
                [
                    sys.executable, "-m", "billing.benchmarks.application",
                    "--seconds", str(self.seconds), "--threads", str(threads),
                    "--organizations", str(organizations), *options,
                ],
                cwd=ROOT, env=self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(min(PROCESSES, clients))
        ]  # fmt: skip
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        # All begin together: windows that do not overlap would add up to more than there is.
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return sum(int(process.communicate()[0]) for process in running) / self.seconds

    def oversell(self) -> int:
        """Holds beyond a balance, tried on purpose: 32 clients on money for 1,000 holds."""
        org = scripts.ORG.replace(":n", str(scripts.SHORT_OF_MONEY))
        self.sql(f"UPDATE billing_wallet SET held = 0, posted = {1_000 * scripts.AMOUNT} "  # noqa: S608
                 f"WHERE organization_id = {org}")  # fmt: skip
        before = self.one(f"SELECT count(*) FROM billing_hold WHERE organization_id = {org}")  # noqa: S608
        (self.folder / "oversell.sql").write_text(scripts.OVERSELL)
        self.pgbench("bench", "-n", "-c", "32", "-j", "2", "-T", str(self.seconds), "-f",
                     str(self.folder / "oversell.sql"))  # fmt: skip
        placed = self.one(f"SELECT count(*) FROM billing_hold WHERE organization_id = {org}")  # noqa: S608
        elsewhere = self.one("SELECT count(*) FROM billing_wallet WHERE posted < held")
        return max(placed - before - 1_000, 0) + elsewhere


def compare(bench: Bench, rounds: int) -> dict[tuple[str, int], list[float]]:
    """Every measurement, round by round, so that noise hits all alike."""
    measured: dict[tuple[str, int], list[float]] = defaultdict(list)
    for number in range(rounds):
        for clients in CLIENTS:
            for name in ("tpcb", "holds_many", "pairs_many", "holds_hot", "holds_hot_group"):
                measured[name, clients].append(bench.rate(name, clients))
            application = {
                "app_holds_many": bench.application_rate(clients),
                "app_pairs_many": bench.application_rate(clients, "--pairs"),
                "app_holds_hot": bench.application_rate(clients, organizations=1),
            }
            for name, rate in application.items():
                measured[name, clients].append(rate)
            say(f"round {number + 1} of {rounds}, {clients} clients")
    return measured


def growth(bench: Bench, rows: int, rounds: int) -> dict[str, float]:
    """What a large journal costs: a ledger of 10 thousand rows and one of ``rows``, in turns.

    ``..._slowdown`` is the small one's rate over the large one's; the pages' times are of the large.
    """
    for database, size in (("young", YOUNG), ("grown", rows)):
        say(f"loading {size:,} journal rows")
        bench.sql(f"CREATE DATABASE {database} TEMPLATE unused")
        for text in scripts.grow_journal(size):
            bench.sql(text, database)
    rates: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in range(rounds):
        for name in ("balance", "holds_many"):
            for database in ("young", "grown"):
                rates[name, database].append(bench.rate(name, 8, database))
        say(f"growth: round {number + 1} of {rounds}")
    middle = {key: statistics.median(values) for key, values in rates.items()}
    return {
        f"{name}_slowdown": round(middle[name, "young"] / middle[name, "grown"], 3)
        for name in ("balance", "holds_many")
    } | page_times(bench)


def page_times(bench: Bench) -> dict[str, float]:
    """Milliseconds of the usage page's and the ledger page's questions on the grown ledger."""
    printed = subprocess.run(
        [sys.executable, "-m", "billing.benchmarks.pages"],
        cwd=ROOT, env=bench.environment("grown"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    times: dict[str, float] = json.loads(printed.stdout)
    return times


def say(text: str) -> None:
    """Progress, apart from the result."""
    sys.stderr.write(text + "\n")


def main() -> int:
    """Measure, print the table, then the line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--rows", type=int, default=10_000_000, help="of the grown journal; 0 leaves it"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        bench = Bench(Path(folder), options.seconds)
        try:
            bench.prepare()
            measured = compare(bench, options.rounds)
            oversold = bench.oversell()
            # Last: the server is busy with ten million new rows for a while.
            grown = growth(bench, options.rows, options.rounds) if options.rows else {}
        finally:
            bench.server.stop()
    report(measured, oversold, grown)
    return 0


def report(
    measured: dict[tuple[str, int], list[float]], oversold: int, grown: dict[str, float]
) -> None:
    """Medians a second, and as shares of TPC-B with as many clients."""
    middle = {key: statistics.median(values) for key, values in measured.items()}
    names = list(dict.fromkeys(name for name, _ in middle))
    write = sys.stdout.write
    write(f"{'a second (share of TPC-B)':28}" + "".join(f"{c:>16} cl" for c in CLIENTS) + "\n")
    for name in names:
        cells = (
            f"{middle[name, c]:9.0f} ({middle[name, c] / middle['tpcb', c]:5.2f})" for c in CLIENTS
        )
        write(f"{name:28}" + "".join(f"{cell:>19}" for cell in cells) + "\n")
    most = CLIENTS[-1]
    ratios = {
        name: round(middle[name, most] / middle["tpcb", most], 3)
        for name in names
        if name != "tpcb"
    }
    result = {
        "ratios": ratios,
        "oversell": oversold,
        "tpcb_tps": round(middle["tpcb", most]),
        **grown,
    }
    write(json.dumps(result) + "\n")


if __name__ == "__main__":
    sys.exit(main())
