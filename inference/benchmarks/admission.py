"""``make bench-admission``: our admission beside the LiteLLM proxy's image route, in one run.

Ours does per request: key, rate window, licence, standing, price, the text gate, and one durable
transaction with hold, job, decision and audit entry; then the doorbell. The engine is faked: nobody
takes the jobs. LiteLLM checks its master key and forwards to a local upstream that answers at once.
Both have the same number of web processes. Open-loop load at rising rates; the order is shuffled in
every round. Prints a table, then one line of JSON.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from inference.benchmarks import litellm_proxy
from inference.benchmarks.home import ROOT, Home, Meter
from inference.benchmarks.load import Measured, Order

LIMIT_MS = 100.0
# Gently, then enough that every process, its threads and its connections have worked once.
WARM_UPS = ((5.0, 4.0), (30.0, 3.0))


@dataclass
class System:
    """One of the two: where it is asked, what it uses, and how far it came."""

    name: str
    port: int
    path: str
    keys: list[str]
    body: dict[str, object]
    meter: Meter
    reached: list[float] = field(default_factory=list)
    at_best: list[Measured] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    sent: int = 0

    def step(self, rate: float, seconds: float) -> Measured:
        """Load at one rate; counts CPU for each request."""
        before = self.meter.cpu_s()
        order = Order(
            port=self.port, path=self.path, keys=self.keys, body=self.body, rate=rate,
            seconds=seconds, first=self.sent,
        )  # fmt: skip
        measured = load(order)
        self.sent += measured.sent
        self.cpu_ms.append((self.meter.cpu_s() - before) * 1000 / max(measured.sent, 1))
        return measured

    def climb(self, rates: list[float], seconds: float) -> None:
        """Rise until p95 or an error says stop; keep the last rate that held."""
        best, held = 0.0, Measured(0, 0, 0.0, 0.0, "")
        for rate in rates:
            measured = self.step(rate, seconds)
            holds = not measured.errors and measured.p95_ms <= LIMIT_MS
            tell(self.name, rate, measured, holds=holds)
            if not holds:
                break
            best, held = rate, measured
        self.reached.append(best)
        self.at_best.append(held)

    def result(self) -> dict[str, object]:
        """Median over the rounds."""
        middle = sorted(range(len(self.reached)), key=self.reached.__getitem__)
        place = middle[len(middle) // 2]
        return {
            "rps": self.reached[place],
            "p95_ms": self.at_best[place].p95_ms,
            "errors": self.at_best[place].errors,
            "cpu_ms_per_request": round(statistics.median(self.cpu_ms), 1),
            "memory_mb": round(self.meter.memory_mb()),
            "rounds": self.reached,
        }


def load(order: Order) -> Measured:
    """Run the load generator in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "inference.benchmarks.load"],
        cwd=ROOT, input=json.dumps(asdict(order)), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def tell(name: str, rate: float, measured: Measured, *, holds: bool) -> None:
    """One line of the table."""
    verdict = "holds" if holds else f"stops {measured.first_error}"
    sys.stdout.write(
        f"{name:<8} {rate:>7.1f}/s  p50 {measured.p50_ms:>8.1f} ms  p95 {measured.p95_ms:>8.1f} ms  "
        f"errors {measured.errors:>4}  {verdict}\n"
    )
    sys.stdout.flush()


def rates_up_to(first: float, growth: float, steps: int) -> list[float]:
    """Rising rates a second, each ``growth`` times the one before."""
    return [round(first * growth**step, 1) for step in range(steps)]


def main() -> None:
    """Start both, climb in shuffled rounds, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of load at each rate")
    parser.add_argument("--first", type=float, default=4.0, help="first rate, requests a second")
    parser.add_argument("--growth", type=float, default=1.3)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--litellm", type=Path, default=None, help="folder of its environment")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        home = Home(Path(folder), tenants=8)
        try:
            bench(home, chosen)
        finally:
            home.close()


def bench(home: Home, chosen: argparse.Namespace) -> None:
    """The run itself."""
    cache = Path(os.environ.get("LICET_HOME", tempfile.gettempdir()))
    program, version = litellm_proxy.install(chosen.litellm or cache / "bench-litellm")
    home.open()
    home.serve(workers=chosen.workers, concurrency=2048)
    proxy_port, proxy = litellm_proxy.start(home, program, workers=chosen.workers)
    ours = System(
        "licet", home.port, "/v1/generations", home.keys,
        {"model": "krea-2-tiny-turbo", "size": "256x256"},
        Meter([home.processes[0].pid, *home.server_pids()]),
    )  # fmt: skip
    theirs = System(
        "litellm", proxy_port, "/v1/images/generations", [litellm_proxy.MASTER_KEY],
        {"model": litellm_proxy.MODEL}, Meter([proxy]),
    )  # fmt: skip
    sys.stdout.write(
        f"litellm {version}; {chosen.workers} web processes each; p95 within {LIMIT_MS:.0f} ms\n"
    )
    for system in (ours, theirs):
        for rate, seconds in WARM_UPS:
            system.step(rate, seconds)
        system.cpu_ms.clear()
    rates = rates_up_to(chosen.first, chosen.growth, chosen.steps)
    for _ in range(chosen.rounds):
        order = [ours, theirs]
        random.shuffle(order)
        for system in order:
            system.climb(rates, chosen.seconds)
    report(ours, theirs, version)


def report(ours: System, theirs: System, version: str) -> None:
    """The table's end and the JSON."""
    found = {system.name: system.result() for system in (ours, theirs)}
    for name, result in found.items():
        sys.stdout.write(
            f"{name:<8} {result['rps']:>7}/s  {result['cpu_ms_per_request']} ms CPU a request, "
            f"{result['memory_mb']} MB\n"
        )
    slower = float(str(found["litellm"]["rps"]))
    ratio = round(float(str(found["licet"]["rps"])) / slower, 2) if slower else None
    sys.stdout.write(json.dumps({"ratio": ratio, **found, "litellm_version": version}) + "\n")


if __name__ == "__main__":
    main()
